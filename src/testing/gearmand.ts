import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { COMMAND, encodeRequest, PacketReader, splitArguments } from '../sources/gearman/packet.ts';
import { Child, type Exit } from './child.ts';
import { freePort } from './mosquitto.ts';
import { createTempFolder } from './temp-folder.ts';

export interface Gearmand extends AsyncDisposable {
  readonly port: number;
  /** `127.0.0.1:PORT` */
  readonly address: string;
  kill(signal: NodeJS.Signals): Promise<Exit>;
}

export interface GearmandOptions {
  /** Default: a free one. */
  port?: number;
  /** A database that keeps background jobs over a restart. Default: they are in memory. */
  database?: string;
}

const START_MS = 20_000;
const SBIN = { PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin` };

/** Starts Debian's gearmand on the loopback. */
export async function startGearmand(options: GearmandOptions = {}): Promise<Gearmand> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options);
    } catch (error) {
      // Between finding a free port and using it somebody else may take it.
      if (attempt === 3 || options.port !== undefined) throw error;
    }
  }
}

async function start({ port: wanted, database }: GearmandOptions): Promise<Gearmand> {
  const port = wanted ?? (await freePort());
  const folder = await createTempFolder('gearmand');
  const queue = database === undefined ? [] : ['-q', 'libsqlite3', `--libsqlite3-db=${database}`];
  const args = ['-l', 'stderr', '--verbose', 'INFO', '-L', '127.0.0.1', '-p', String(port), '-P', join(folder.path, 'pid'), ...queue];
  const child = new Child('gearmand', process.getuid?.() === 0 ? [...args, '-u', 'root'] : args, { env: SBIN });
  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    const exit = child.exit ?? (await child.kill(signal));
    await folder[Symbol.asyncDispose]();
    return exit;
  };
  try {
    await child.line(
      (line) => (line.includes(`Listening on 127.0.0.1:${port}`) ? true : undefined),
      START_MS,
      'the line that says it listens',
    );
  } catch (error) {
    await end('SIGKILL').catch(() => {});
    throw error;
  }
  return { port, address: `127.0.0.1:${port}`, kill: end, [Symbol.asyncDispose]: async () => void (await end('SIGKILL')) };
}

/** What became of a job, and the reason that its worker gave. */
export interface SubmittedJob {
  outcome: 'complete' | 'fail';
  exception?: string;
}

/** Submits a job and waits for its end. */
export async function submitJob(
  port: number,
  functionName: string,
  workload: string,
  { unique = '', exceptions = false }: { unique?: string; exceptions?: boolean } = {},
): Promise<SubmittedJob> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    if (exceptions) socket.write(encodeRequest(OPTION_REQ, 'exceptions'));
    socket.write(encodeRequest(COMMAND.SUBMIT_JOB, functionName, unique, workload));
    const reader = new PacketReader(2 ** 20);
    for await (const bytes of socket) {
      for (const { command, data } of reader.push(bytes as Buffer)) {
        if (command === COMMAND.WORK_COMPLETE) return { outcome: 'complete' };
        if (command === COMMAND.WORK_FAIL) return { outcome: 'fail' };
        if (command === COMMAND.WORK_EXCEPTION) return { outcome: 'fail', exception: splitArguments(data, 2)![1]!.toString() };
      }
    }
    throw new Error('gearmand closed the connection before the job ended');
  } finally {
    socket.destroy();
  }
}

/** Leaves jobs with the server: resolves once it has all of them. */
export async function submitInBackground(port: number, functionName: string, workloads: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    for (const [i, workload] of workloads.entries()) socket.write(encodeRequest(COMMAND.SUBMIT_JOB_BG, functionName, `job-${i}`, workload));
    const reader = new PacketReader(2 ** 20);
    let created = 0;
    for await (const bytes of socket) {
      created += reader.push(bytes as Buffer).filter(({ command }) => command === COMMAND.JOB_CREATED).length;
      if (created === workloads.length) return;
    }
    throw new Error(`gearmand closed the connection after ${created} jobs`);
  } finally {
    socket.destroy();
  }
}

/** Jobs that wait or run, from the server's own account. */
export async function countJobs(port: number, functionName: string): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write('status\n');
    let text = '';
    for await (const bytes of socket) {
      text += bytes;
      if (/^\.\r?$/m.test(text)) break;
    }
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${functionName}\t`))
        ?.split('\t')[1] ?? 0,
    );
  } finally {
    socket.destroy();
  }
}

const OPTION_REQ = 26;
