import { openOutbox } from '../../client/outbox/open-outbox.ts';

/** More than are on their way to the disk at a time. */
const NEWEST = 2000;
const PIECE = { maxEvents: 500, maxBytes: 16 * 1024 * 1024 };

/** Ids of the events that an outbox holds, the newest 2 000 at least. Before anything is sent: these were stored by an earlier process. */
export async function readUnsentIds(path: string, channel: string): Promise<string[]> {
  await using outbox = await openOutbox(path);
  const { events = 0, oldestSeq = 0 } = outbox.channels.get(channel) ?? {};
  const ids: string[] = [];
  // Places of what has gone in between are not counted in `events`, so this begins early rather than late.
  for (let afterSeq = oldestSeq - 1 + Math.max(0, events - NEWEST); events > 0; ) {
    const records = await outbox.read(channel, afterSeq, PIECE);
    if (records.length === 0) break;
    for (const { id } of records) ids.push(id);
    afterSeq = records.at(-1)!.seq;
  }
  return ids;
}
