import { once } from 'node:events';
import { connect } from 'node:net';
import { errorFix, errorText } from '../../core/errors.ts';
import type { TestStep } from '../source.ts';
import { connectGearman, type GearmanServer } from './connection.ts';
import { type GearmanOptions, readAddress } from './options.ts';

const ADMIN_MS = 5000;

/** Tries each server and looks how many jobs wait. None is taken: that would move it. */
export async function* testServers(options: GearmanOptions, signal: AbortSignal): AsyncGenerator<TestStep> {
  for (const server of options.gearman!.map(readAddress)) {
    const address = `${server.host}:${server.port}`;
    try {
      using connection = await connectGearman(server, { silenceMs: options.silence, signal });
      await connection.echo();
      yield { ok: true, what: `${address} is a gearman server` };
    } catch (error) {
      const fix = errorFix(error) ?? '';
      yield { ok: false, what: `a gearman server at ${address}`, why: errorText(error), fix };
      continue;
    }
    const waiting = await readWaiting(server, options.function, signal).catch(() => undefined);
    if (waiting) yield { ok: true, what: `of ${options.function}: ${waiting}` };
  }
}

/** From the administrative protocol, which is lines on the same port: name, jobs, running, workers. */
async function readWaiting({ host, port }: GearmanServer, functionName: string, signal: AbortSignal): Promise<string | undefined> {
  const socket = connect({ host, port, signal: AbortSignal.any([signal, AbortSignal.timeout(ADMIN_MS)]) });
  try {
    await once(socket, 'connect');
    socket.write('status\n');
    let text = '';
    for await (const bytes of socket.setEncoding('latin1')) {
      text += bytes;
      if (/^\.\r?$/m.test(text)) break;
    }
    const line = text.split('\n').find((status) => status.startsWith(`${functionName}\t`));
    const [, jobs = '0', running = '0', workers = '0'] = line?.trim().split('\t') ?? [];
    return `${jobs} jobs there, ${running} of them running, ${workers} workers`;
  } finally {
    socket.destroy();
  }
}
