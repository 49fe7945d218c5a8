import type { Lane, Put } from './lane.ts';
import type { Change, ChangeResult, CommitResult } from './messages.ts';
import type { DroppedRange, OutboxRecord } from './outbox.ts';
import { placeRecord } from './record.ts';

export interface PendingChange {
  change: Change;
  resolve: (result: ChangeResult) => void;
  reject: (error: unknown) => void;
}

/** Who waits until what was removed before is durable. */
export interface Settling {
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** What one commit takes. */
export interface Batch {
  epoch: number;
  nowMs: number;
  puts: Put[];
  removed: number[];
  dropped: DroppedRange[];
  changes: PendingChange[];
  settling: Settling[];
}

/** The puts of a batch that are stored, with their records, and those for which there was no room. */
interface Sorted {
  stored: Put[];
  /** One for each that is stored. */
  records: OutboxRecord[];
  refused: Put[];
}

export function sortPuts({ puts, nowMs }: Batch, { firsts, refused }: CommitResult): Sorted {
  const places = new Map<Lane, number>();
  const sorted: Sorted = { stored: [], records: [], refused: [] };
  let channels = 0;
  puts.forEach((put, i) => {
    let seq = places.get(put.lane);
    if (seq === undefined) seq = firsts[channels++]!;
    if (refused[sorted.refused.length] === i) sorted.refused.push(put);
    else {
      sorted.stored.push(put);
      sorted.records.push(placeRecord(put.event, seq++, nowMs));
    }
    places.set(put.lane, seq);
  });
  return sorted;
}
