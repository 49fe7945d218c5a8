import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../client/client.ts';
import { openClient } from '../../client/open-client.ts';
import type { OutboxEvent } from '../../client/outbox/outbox.ts';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { Connecting } from '../connection-options.ts';
import { clientTarget } from './client-target.ts';

export interface SendOptions {
  outbox: string;
  target: Connecting;
  channel: string;
  /** Without an acknowledgement for this long, once all is stored, it gives up; milliseconds. */
  timeoutMs: number;
  signal: AbortSignal;
}

/** Events that wait for the disk. */
const WINDOW = 1000;
const LOOK_MS = 10;
/** Clocks and counters of one millisecond, read one after the other. */
const MARGIN_MS = 50;
/** For acknowledgements of what is out at the end: the process that sends next would repeat it. */
const REST_MS = 5_000;

/**
 * Stores events and waits until they, and all that was stored before, are acknowledged: by a connection of this process, or of another one
 * that sends from the same outbox.
 * @throws HYD_TIMEOUT, HYD_ABORTED, or why the server lets nobody in: what is stored stays; HYD_QUARANTINED, HYD_DROPPED; what `openClient` and `publish` throw
 */
export async function sendStored(events: AsyncIterable<OutboxEvent>, options: SendOptions): Promise<void> {
  const { outbox, channel, timeoutMs, signal } = options;
  const client = await openClient({
    ...clientTarget(options.target),
    outbox,
    // A pipe that is faster than the server is held back, for as long as anything moves.
    channels: { [channel]: { whenFull: 'wait', waitMs: timeoutMs } },
  });
  let restMs = REST_MS;
  try {
    const watch = watchEnds(client);
    await storeAll(client, events);
    await drained(client, watch, options);
    watch.assertAllSent(outbox);
  } catch (error) {
    // A server that was silent for so long is not waited for again.
    if ((error as HydrantError).code === 'HYD_TIMEOUT') restMs = 0;
    throw signal.aborted ? leftBehind(client, 'HYD_ABORTED', 'interrupted', options) : error;
  } finally {
    await client.close({ deadlineMs: restMs, flush: false });
  }
}

async function storeAll(client: Client, events: AsyncIterable<OutboxEvent>): Promise<void> {
  let storing = 0;
  let failure: { error: unknown } | undefined;
  let wake = (): void => {};
  const onStored = (): void => {
    storing--;
    wake();
  };
  const onFailed = (error: unknown): void => {
    failure ??= { error };
    onStored();
  };
  const room = async (limit: number): Promise<void> => {
    while (storing > limit)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (failure) throw failure.error;
  };
  for await (const { expiresMs, ...event } of events) {
    storing++;
    const ttlMs = expiresMs === undefined ? undefined : Math.max(1, expiresMs - Date.now());
    client.publish({ ...event, ttlMs }).stored.then(onStored, onFailed);
    await room(WINDOW - 1);
  }
  await room(0);
}

/** What keeps events from being acknowledged. */
interface Watch {
  /** Why there is no connection. */
  readonly trouble: Error | undefined;
  /** The server lets this client not in, and another attempt will not change that. */
  readonly isRefused: boolean;
  /** @throws HYD_QUARANTINED, HYD_DROPPED */
  assertAllSent(outbox: string): void;
}

function watchEnds(client: Client): Watch {
  const quarantinedBefore = client.metrics().quarantined;
  let trouble: Error | undefined;
  let isRefused = false;
  let first: HydrantError | undefined;
  client.on('link', ({ kind, error }) => {
    trouble = kind === 'up' ? undefined : (error ?? trouble);
    isRefused = kind === 'refused' || kind === 'taken-over';
  });
  client.on('quarantined', ({ error }) => {
    first ??= error;
  });
  return {
    get trouble() {
      return trouble;
    },
    get isRefused() {
      return isRefused;
    },
    assertAllSent(outbox) {
      const { quarantined, dropped } = client.metrics();
      const count = quarantined - quarantinedBefore;
      if (count > 0)
        throw new HydrantError('HYD_QUARANTINED', `${first?.message ?? 'the server did not take all'} (${eventsText(count)} set aside)`, {
          cause: first,
          fix: `Look with \`hydrant outbox ls --outbox ${outbox}\`, then \`hydrant outbox retry\` or \`drop\`.`,
        });
      if (dropped.expired > 0)
        throw new HydrantError('HYD_DROPPED', `${eventsText(dropped.expired)} expired before the server could be told`, {
          fix: 'Give more time with --ttl.',
        });
    },
  };
}

/** Resolves when nothing is left of what is there now. What others store meanwhile is not waited for. */
async function drained(client: Client, watch: Watch, options: SendOptions): Promise<void> {
  const { timeoutMs, signal } = options;
  const lastMs = Date.now() + MARGIN_MS;
  let [moved, movedMs] = ['', performance.now()];
  while (hasOlder(client, lastMs)) {
    signal.throwIfAborted();
    if (watch.isRefused) throw leftBehind(client, (watch.trouble as HydrantError).code, errorText(watch.trouble), options, watch.trouble);
    const { acked, depth } = client.metrics();
    const now = `${acked} ${depth}`;
    if (now !== moved) [moved, movedMs] = [now, performance.now()];
    if (performance.now() - movedMs >= timeoutMs) {
      const why = watch.trouble ? `: ${errorText(watch.trouble)}` : '';
      throw leftBehind(client, 'HYD_TIMEOUT', `no acknowledgement for ${timeoutMs / 1000} s${why}`, options, watch.trouble);
    }
    await sleep(LOOK_MS, undefined, { signal });
  }
}

function hasOlder(client: Client, lastMs: number): boolean {
  const nowMs = Date.now();
  return Object.values(client.metrics().channels).some(({ events, oldestAgeMs }) => events > 0 && nowMs - oldestAgeMs <= lastMs);
}

function leftBehind(client: Client, code: HydrantError['code'], what: string, options: SendOptions, cause?: Error): HydrantError {
  const { outbox, target } = options;
  const { depth } = client.metrics();
  const own = cause instanceof HydrantError && code !== 'HYD_TIMEOUT' ? `${cause.fix} ` : '';
  return new HydrantError(code, `${what}; nothing is lost: ${eventsText(depth)} ${depth === 1 ? 'waits' : 'wait'} in ${outbox}`, {
    cause,
    fix: `${own}Send them later with \`hydrant pub --outbox ${outbox} --url ${target.url} --flush\`${code === 'HYD_TIMEOUT' ? ', or allow more time with --timeout' : ''}.`,
  });
}

function eventsText(count: number): string {
  return count === 1 ? '1 event' : `${count} events`;
}
