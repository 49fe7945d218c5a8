import { setImmediate as nextTurn } from 'node:timers/promises';
import { openDirectOutbox } from '../../client/outbox/direct-outbox.ts';
import type { OutboxEvent } from '../../client/outbox/outbox.ts';
import { HydrantError } from '../../core/errors.ts';

/** One commit has no more. */
const MAX_BYTES = 1 << 20;
const MAX_EVENTS = 4096;

/**
 * Stores events and sends none; what comes at once goes into one commit.
 * @throws HYD_OUTBOX, HYD_OUTBOX_FULL, HYD_TOO_LARGE, what the source throws; what came before is stored
 */
export async function storeOnly(path: string, events: AsyncIterable<OutboxEvent>): Promise<void> {
  using outbox = await openDirectOutbox(path);
  let stored = 0;
  try {
    for await (const batch of batches(events)) {
      outbox.put(batch);
      stored += batch.length;
    }
  } catch (error) {
    throw withCount(error, stored);
  }
}

/** What is there without waiting, together. */
async function* batches(events: AsyncIterable<OutboxEvent>): AsyncGenerator<OutboxEvent[]> {
  const source = events[Symbol.asyncIterator]();
  for (let next = source.next(); ; ) {
    const first = await next;
    if (first.done) return;
    const batch = [first.value];
    const turn = nextTurn();
    let bytes = first.value.payload.byteLength;
    for (next = source.next(); bytes < MAX_BYTES && batch.length < MAX_EVENTS; next = source.next()) {
      const more = await Promise.race([next, turn]);
      if (!more || more.done) break;
      batch.push(more.value);
      bytes += more.value.payload.byteLength;
    }
    yield batch;
  }
}

function withCount(error: unknown, stored: number): unknown {
  if (!(error instanceof HydrantError) || stored === 0) return error;
  return new HydrantError(error.code, `${error.message} (${stored} events before are stored)`, { cause: error, fix: error.fix });
}
