import type { RecordBlock } from './messages.ts';

/** The columns that make an `EventRow`. */
export const EVENT_COLUMNS = 'seq, stored_ms, expires_ms, key, attempts, record';

export type EventRow = [
  seq: number,
  storedMs: number,
  expiresMs: number | null,
  key: string | null,
  attempts: number | null,
  record: Uint8Array,
];
export type QuarantineRow = [...EventRow, reason: string, quarantinedMs: number];

/** Rows until so many bytes are together: one at least. */
export function takeUpTo<Row extends EventRow | QuarantineRow>(rows: Iterable<Row>, maxBytes: number): Row[] {
  const taken: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (taken.length > 0 && bytes + row[5].length > maxBytes) break;
    taken.push(row);
    bytes += row[5].length;
  }
  return taken;
}

export function packRecords(rows: readonly (EventRow | QuarantineRow)[]): RecordBlock {
  const buffer = new ArrayBuffer(rows.reduce((bytes, row) => bytes + row[5].length, 0));
  const bytes = new Uint8Array(buffer);
  const block: RecordBlock = { buffer, seqs: [], lengths: [], storedMs: [], attempts: [], extras: [] };
  let at = 0;
  for (const [index, [seq, storedMs, expiresMs, key, attempts, record]] of rows.entries()) {
    bytes.set(record, at);
    at += record.length;
    block.seqs.push(seq);
    block.lengths.push(record.length);
    block.storedMs.push(storedMs);
    block.attempts.push(attempts ?? 0);
    if (expiresMs !== null || key !== null) block.extras.push({ index, expiresMs: expiresMs ?? undefined, key: key ?? undefined });
  }
  return block;
}
