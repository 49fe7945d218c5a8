import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { HydrantError, systemCode } from '../core/errors.ts';

/** Where a command reads and writes, so that a test can hand in its own. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly env: NodeJS.ProcessEnv;
  /** Aborts on the first SIGINT or SIGTERM, when the reader of stdout has gone, and when stdout cannot be written. */
  readonly signal: AbortSignal;
}

export type Stream = Writable & { isTTY?: boolean; columns?: number };

/** Reason of `Io.signal` when nobody reads stdout any more: the command ends quietly, exit 0. */
export const READER_GONE = new HydrantError('HYD_ABORTED', 'nobody reads the output any more');

/** The process's own streams. A second SIGINT or SIGTERM ends the process at once. */
export function processIo(): Io & { watchSignals(): void } {
  const controller = new AbortController();
  process.stdout.on('error', (error) => {
    controller.abort(systemCode(error) === 'EPIPE' ? READER_GONE : error);
  });
  process.stderr.on('error', () => {});
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: controller.signal,
    watchSignals() {
      for (const name of ['SIGINT', 'SIGTERM'] as const) {
        process.on(name, () => {
          if (controller.signal.aborted) process.exit(130);
          controller.abort(new HydrantError('HYD_ABORTED', 'interrupted', { fix: 'Nothing to fix: it was stopped on request.' }));
        });
      }
    },
  };
}

/** Writes and waits until the stream wants more. */
export async function write(stream: Stream, chunk: string | Uint8Array, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) throw signal.reason;
  if (stream.write(chunk)) return;
  await once(stream, 'drain', { signal }).catch((error: unknown) => {
    throw signal?.aborted ? signal.reason : error;
  });
}
