import { existsSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { type Clock, systemClock } from '../../core/clock.ts';
import { HydrantError } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import { DiskOutbox } from './disk-outbox.ts';
import { outboxError } from './failure.ts';
import type { Outbox } from './outbox.ts';
import { makeOutboxFolder, outboxFile } from './outbox-folder.ts';
import { WorkerLink } from './worker-link.ts';

export interface OutboxOptions {
  /** Make the folder when it is missing. Default true. */
  create?: boolean;
  /** How long a removal may wait for company, milliseconds. Default 50. What a crash takes from it is sent again, under the same id. */
  lazyMs?: number;
  /** How often it looks for what other processes did, and what is past its time at every fifth, milliseconds. Default 200. */
  pollMs?: number;
  clock?: Clock;
  log?: Log;
}

/**
 * Opens an outbox in constant time, whatever it holds.
 * @param path a folder (made with mode 0700, its files 0600), or `:memory:` for one that ends with the process
 * @throws HYD_DATA_MISSING when there is none and `create` is false; HYD_OUTBOX when it cannot be opened or is damaged (nothing is
 *   deleted then); HYD_DATA_FORMAT when a newer Hydrant wrote it; HYD_UNSUPPORTED in a Node that has no SQLite
 */
export async function openOutbox(path: string, options: OutboxOptions = {}): Promise<Outbox> {
  const { create = true, lazyMs = 50, pollMs = 200, clock = systemClock, log = silentLog } = options;
  if (!isBuiltin('node:sqlite'))
    throw new HydrantError('HYD_UNSUPPORTED', `an outbox needs SQLite, which this Node ${process.version} does not have`, {
      fix: 'Run the program with Node 24 or newer; `npx node program.mjs` has the one that the package brings.',
    });
  const file = path === ':memory:' ? path : outboxFile(path);
  if (path !== ':memory:') {
    if (!create && !existsSync(file))
      throw new HydrantError('HYD_DATA_MISSING', `${path} is not an outbox: it has no outbox.db`, {
        fix: 'Give the folder that the client was given, with --outbox DIR.',
      });
    await makeOutboxFolder(path);
  }
  const link = new WorkerLink(file);
  const reply = await link.opened;
  if (reply.failure) {
    await link.end();
    throw outboxError(path, 'opened', reply.failure);
  }
  return new DiskOutbox({ path, link, lazyMs, pollMs, clock, log }, reply);
}
