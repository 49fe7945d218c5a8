import { HydrantError } from '../../core/errors.ts';
import { BlockWriter } from './blocks.ts';
import { EventStore } from './event-store.ts';
import { asFailure, outboxError } from './failure.ts';
import type { CommitRequest } from './messages.ts';
import type { OutboxEvent } from './outbox.ts';
import { makeOutboxFolder, outboxFile } from './outbox-folder.ts';
import { fitsRecord } from './record.ts';

/** An outbox written to from this very thread: for who stores a little and ends, where a thread of its own would cost more than the events. */
export interface DirectOutbox extends Disposable {
  /**
   * On disk when it returns. The standard bounds count.
   * @throws HYD_OUTBOX_FULL, after those before that have found room; HYD_OUTBOX, HYD_TOO_LARGE: then none is stored
   */
  put(events: readonly OutboxEvent[]): void;
}

/** @throws HYD_OUTBOX, HYD_DATA_FORMAT */
export async function openDirectOutbox(path: string): Promise<DirectOutbox> {
  await makeOutboxFolder(path);
  const store = orFail(path, 'opened', () => new EventStore(outboxFile(path)));
  return {
    put(events) {
      const block = new BlockWriter();
      for (const event of events) {
        const { id, topic } = event;
        if (!fitsRecord(event))
          throw new HydrantError('HYD_TOO_LARGE', `id or topic are too long: ${id.length} and ${topic.length} characters`);
        block.add(event, false);
      }
      const request: CommitRequest = {
        kind: 'commit',
        epoch: 0,
        nowMs: Date.now(),
        removed: new Float64Array(),
        dropped: [],
        changes: [],
        puts: block.take(),
      };
      const refused = orFail(path, 'written', () => store.commit(request))?.refused.length ?? 0;
      if (refused > 0)
        throw new HydrantError('HYD_OUTBOX_FULL', `the outbox ${path} is at its bound: no room for ${refused} of ${events.length} events`);
    },
    [Symbol.dispose]: () => store.close(),
  };
}

function orFail<T>(path: string, doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw outboxError(path, doing, asFailure(error));
  }
}
