import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { Child, type Exit } from './child.ts';
import { createTempFolder } from './temp-folder.ts';

export interface MosquittoOptions {
  /** Default: a free one. */
  port?: number;
  /** A websocket listener too. Default false. */
  ws?: boolean;
  /** A folder that it keeps its sessions and messages in, written when it is ended with `stop()`. Default: it keeps nothing. */
  persistence?: string;
  /** Further lines of its configuration. */
  config?: readonly string[];
}

export interface Mosquitto extends AsyncDisposable {
  readonly port: number;
  readonly wsPort: number | undefined;
  readonly pid: number;
  /** `mqtt://127.0.0.1:PORT` */
  readonly url: string;
  /** Ends it with SIGTERM and removes its folder. Twice is fine. */
  stop(): Promise<void>;
  /** Sends a signal; after one that ends it, resolves when it has ended (`SIGSTOP` and `SIGCONT` resolve at once). */
  kill(signal: NodeJS.Signals): Promise<Exit | undefined>;
}

const START_MS = 20_000;

/**
 * Starts Debian's Mosquitto on the loopback, anonymous. `max_inflight_messages 0` because it loses acknowledged
 * QoS 2 messages above 20 in flight otherwise.
 */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options);
    } catch (error) {
      // Between finding a free port and using it somebody else may take it.
      if (attempt === 3 || options.port !== undefined || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function start(options: MosquittoOptions): Promise<Mosquitto> {
  const port = options.port ?? (await freePort());
  const wsPort = options.ws ? await freePort() : undefined;
  const folder = await createTempFolder('mosquitto');
  const file = join(folder.path, 'mosquitto.conf');
  const lines = [
    'per_listener_settings false',
    'allow_anonymous true',
    `persistence ${options.persistence !== undefined}`,
    ...(options.persistence === undefined ? [] : [`persistence_location ${options.persistence}/`]),
    'max_inflight_messages 0',
    'set_tcp_nodelay true',
    'user root',
  ];
  lines.push('log_dest stderr', 'log_type error', 'log_type warning', 'log_type information', ...(options.config ?? []));
  lines.push(`listener ${port} 127.0.0.1`);
  if (wsPort !== undefined) lines.push(`listener ${wsPort} 127.0.0.1`, 'protocol websockets');
  await writeFile(file, `${lines.join('\n')}\n`);
  const child = new Child('mosquitto', ['-c', file], { env: { PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin` } });
  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    const exit = child.exit ?? (await child.kill(signal));
    await folder[Symbol.asyncDispose]();
    return exit;
  };
  try {
    await child.line((line) => (/ running$/.test(line) ? true : undefined), START_MS, 'the line that says it runs');
  } catch (error) {
    await end('SIGKILL').catch(() => {});
    throw error;
  }
  const stop = async (): Promise<void> => void (await end('SIGTERM'));
  return {
    port,
    wsPort,
    pid: child.pid,
    url: `mqtt://127.0.0.1:${port}`,
    stop,
    async kill(signal) {
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') return end(signal);
      child.signal(signal);
      return undefined;
    },
    [Symbol.asyncDispose]: async () => void (await end('SIGKILL')),
  };
}

/** A port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
