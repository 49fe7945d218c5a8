import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../client/client.ts';
import { openClient } from '../../client/open-client.ts';
import type { ClientOptions } from '../../client/options.ts';
import { HydrantError } from '../../core/errors.ts';
import { lockFile } from '../../core/file-lock.ts';
import { makeFolder } from '../../core/files.ts';
import type { Log } from '../../core/log.ts';
import type { EventCheck } from '../catalogue/event-check.ts';
import type { SourceKind } from '../source.ts';
import { Context } from './context.ts';
import { openCursorFile } from './cursor-file.ts';
import { Publishing } from './publishing.ts';
import { noticeQuarantine } from './quarantine-notice.ts';
import { runSource } from './run-source.ts';
import { SourceCounts, type SourceStatus } from './source-status.ts';
import { readUnsentIds } from './unsent-ids.ts';

export interface OpenSourceOptions<Options> {
  kind: SourceKind<Options>;
  /** As the kind's schema gives them. */
  options: Options;
  /** Names the instance in its log lines and gaps. */
  name: string;
  /** Where outbox and cursor are, made when missing. */
  folder: string;
  /** Where it publishes. */
  bus: Pick<ClientOptions, 'url' | 'bus' | 'credentials' | 'tls' | 'clientId'>;
  check: EventCheck;
  /** Default false. */
  strict?: boolean;
  log: Log;
  /** Default Date.now and Math.random. */
  now?: () => number;
  random?: () => number;
}

/** A source at work. */
export interface OpenSource extends AsyncDisposable {
  readonly name: string;
  readonly client: Client;
  status(): SourceStatus;
  /** Runs until aborted, or until the upstream has ended for good. @throws what `runSource` throws */
  run(signal: AbortSignal): Promise<void>;
  /** Ends the run, then sends what it can until the deadline; the rest stays in the outbox. Twice is fine. */
  close(options: { deadlineMs: number }): Promise<{ remaining: number }>;
}

/** Of the outbox, which is this source's alone. */
const CHANNEL = 'events';
/** How long a full outbox holds back the upstream before the source breaks off and tries again from its cursor. */
const PATIENCE_MS = 60_000;
/** Of the deadline, for the run to end by itself; after that what it waits for is refused. */
const RUN_SHARE = 0.6;
const LAST_MS = 1000;

/**
 * Opens a source with its own outbox and cursor.
 * @throws HYD_DATA_BUSY when another process has the folder; HYD_OUTBOX, HYD_DATA_FORMAT; what the kind's `open` throws
 */
export async function openSource<Options>(opening: OpenSourceOptions<Options>): Promise<OpenSource> {
  const { kind, options, name, folder, bus, check, strict = false, now = Date.now, random = Math.random } = opening;
  const log: Log = (level, message, fields) => opening.log(level, message, { source: name, ...fields });
  await makeFolder(folder);
  await using stack = new AsyncDisposableStack();
  const lock = lockFile(join(folder, 'lock'));
  if (!lock)
    throw new HydrantError('HYD_DATA_BUSY', `another process runs the source ${name} in ${folder}`, {
      fix: 'Stop it, or give this one a name of its own, with --name NAME or as a section of the configuration.',
    });
  stack.defer(() => lock.release());
  const whenFull = kind.whenFull ?? 'wait';
  const channels = { [CHANNEL]: { whenFull, ...(whenFull === 'wait' && { waitMs: PATIENCE_MS }) } };
  const outbox = join(folder, 'outbox');
  const unsent = whenFull === 'reject' ? await readUnsentIds(outbox, CHANNEL) : undefined;
  const client = await openClient({ ...bus, outbox, channels, log });
  stack.defer(async () => void (await client.close({ deadlineMs: 0 })));
  noticeQuarantine(client, outbox, log);
  const publishing = new Publishing(client, CHANNEL, { isOrdered: whenFull === 'wait' });
  const cursor = await openCursorFile(join(folder, 'cursor.json'), () => publishing.stored());
  cursor.onFailure = (error) => log('warn', 'the cursor could not be saved', { error: String(error) });
  const counts = new SourceCounts();
  const context = new Context({
    name,
    folder,
    client,
    publishing,
    cursor,
    counts,
    check,
    strict,
    tellsSender: whenFull === 'reject',
    unsent,
    log,
    now,
    random,
  });
  const source = await kind.open(options, context);
  const opened = stack.move();
  const closing = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const runEnds = (withinMs: number): Promise<void> => Promise.race([running.catch(() => {}), sleep(withinMs, undefined, { ref: false })]);
  return {
    name,
    client,
    status: () => counts.read(now()),
    run(signal) {
      running = runSource(source, { context, counts, publishing, cursor }, AbortSignal.any([signal, closing.signal]));
      return running;
    },
    async close({ deadlineMs }) {
      const endMs = performance.now() + deadlineMs;
      closing.abort();
      await runEnds(deadlineMs * RUN_SHARE);
      const { remaining } = await client.close({ deadlineMs: client.connected ? Math.max(0, endMs - performance.now()) : 0 });
      await runEnds(LAST_MS);
      await opened.disposeAsync();
      return { remaining };
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
