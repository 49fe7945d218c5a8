import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A broker under measurement. */
export interface Server {
  readonly pid: number;
  readonly mqttPort: number;
  /** Milliseconds from the start of the process to the moment it took connections. */
  readonly readyMs: number;
  /** SIGSTOP: an idle server does no housekeeping while another one is measured. */
  freeze(): void;
  thaw(): void;
  /** Ends it and waits for the end. */
  stop(): Promise<void>;
}

export interface HydrantServer extends Server {
  readonly httpPort: number;
  readonly data: string;
}

/** The command under measurement: `HYDRANT_BIN`, default that of this project. */
export const BIN = process.env.HYDRANT_BIN ?? new URL('../bin/hydrant', import.meta.url).pathname;
const started = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});

/** Debian's Mosquitto: nothing on disk, no limit in flight, so that it is as fast as it can be and loses nothing. */
export async function startMosquitto(folder: string): Promise<Server> {
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  await writeFile(
    config,
    `listener ${port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
log_type error
`,
  );
  const startedAt = performance.now();
  const child = launch('mosquitto', ['-c', config]);
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}`);
  }
  return { ...handle(child), mqttPort: port, readyMs: performance.now() - startedAt };
}

/** `hydrant up` on free ports with its default configuration. Without `options.data` it gets a new folder in `folder`. */
export async function startHydrant(folder: string, options: { set?: string[]; data?: string } = {}): Promise<HydrantServer> {
  const data = options.data ?? (await mkdtemp(join(folder, 'data-')));
  const set = ['listeners.mqtt.port=0', 'listeners.http.port=0', ...(options.set ?? [])].flatMap((pair) => ['--set', pair]);
  const startedAt = performance.now();
  const child = launch(BIN, ['up', '--data', data, ...set]);
  for await (const line of createInterface({ input: child.stdout! })) {
    const entry = line.startsWith('{') ? JSON.parse(line) : {};
    if (entry.event !== 'ready') continue;
    const readyMs = performance.now() - startedAt;
    child.stdout!.resume();
    const port = (url: string) => Number(new URL(url).port);
    return { ...handle(child), mqttPort: port(entry.listeners.mqtt), httpPort: port(entry.listeners.http), data, readyMs };
  }
  throw new Error('hydrant up ended before it was ready');
}

/** A running `hydrant archive`. */
export type Archiver = Pick<Server, 'pid' | 'stop'>;

/** `hydrant archive` on a broker; resolves once it has subscribed. */
export async function startArchiver(
  broker: string,
  options: { data: string; to?: string; set?: string[]; args?: string[] },
): Promise<Archiver> {
  const set = (options.set ?? []).flatMap((pair) => ['--set', pair]);
  const to = options.to === undefined ? [] : ['--to', options.to];
  const child = launch(BIN, ['archive', '--broker', broker, '--data', options.data, ...to, ...set, ...(options.args ?? [])]);
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!line.startsWith('{') || JSON.parse(line).event !== 'ready') continue;
    child.stdout!.resume();
    return handle(child);
  }
  throw new Error('hydrant archive ended before it was ready');
}

export async function removeData(server: HydrantServer): Promise<void> {
  await rm(server.data, { recursive: true });
}

/** Resident memory of the process in MB. */
export function residentMb(server: Pick<Server, 'pid'>): number {
  return statusMb(server.pid, 'VmRSS');
}

/** Its resident memory at its highest, since it started. */
export function peakMb(server: Pick<Server, 'pid'>): number {
  return statusMb(server.pid, 'VmHWM');
}

function statusMb(pid: number, field: string): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

function launch(command: string, args: string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  started.add(child);
  child.once('exit', () => started.delete(child));
  return child;
}

function handle(child: ChildProcess): Pick<Server, 'pid' | 'freeze' | 'thaw' | 'stop'> {
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid!,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    stop: () => {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      return exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
