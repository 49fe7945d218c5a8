import { type Channel, type ChannelTable, placesOf } from './channel-table.ts';
import { EVENT_COLUMNS, type EventRow, packRecords, type QuarantineRow, takeUpTo } from './event-rows.ts';
import type { Brief, DueResult, OldestResult, QuarantineBlock, RecordBlock } from './messages.ts';
import type { DroppedRange, DropReason } from './outbox.ts';
import { decodeRecord } from './record.ts';
import type { Statements } from './statements.ts';

/** Looks for events in the database, by place, key and time. */
export class EventReader {
  readonly #sql: Statements;
  readonly #channels: ChannelTable;

  constructor(sql: Statements, channels: ChannelTable) {
    this.#sql = sql;
    this.#channels = channels;
  }

  read(channel: string, afterSeq: number, maxEvents: number, maxBytes: number): RecordBlock {
    const range = this.#channels.rangeOf(channel);
    if (!range) return packRecords([]);
    const sql = `SELECT ${EVENT_COLUMNS} FROM events WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?`;
    const rows = this.#sql.rows(sql, Math.max(afterSeq, range.first - 1), range.end, maxEvents) as Iterable<EventRow>;
    return packRecords(takeUpTo(rows, maxBytes));
  }

  quarantined(afterSeq: number, maxEvents: number, maxBytes: number): QuarantineBlock {
    const sql = `SELECT ${EVENT_COLUMNS}, reason, quarantined_ms FROM quarantined WHERE seq > ? ORDER BY seq LIMIT ?`;
    const rows = takeUpTo(this.#sql.rows(sql, afterSeq, maxEvents) as Iterable<QuarantineRow>, maxBytes);
    return {
      ...packRecords(rows),
      channels: rows.map(([seq]) => this.#channels.of(seq).name),
      reasons: rows.map((row) => row[6]),
      quarantinedMs: rows.map((row) => row[7]),
    };
  }

  dropped(): DroppedRange[] {
    const rows = this.#sql.rows('SELECT first, last, reason FROM dropped') as Iterable<[number, number, DropReason]>;
    return Array.from(rows, ([first, last, reason]) => ({ first, last, reason }));
  }

  oldest(name: string, afterSeq: number, events: number, bytes: number): OldestResult {
    const range = this.#channels.rangeOf(name);
    const found: OldestResult = { briefs: [], bytes: [] };
    if (!range) return found;
    const sql = 'SELECT seq, record FROM events WHERE seq > ? AND seq < ? ORDER BY seq';
    const rows = this.#sql.rows(sql, Math.max(afterSeq, range.first - 1), range.end) as Iterable<[number, Uint8Array]>;
    let freedBytes = 0;
    for (const [seq, record] of rows) {
      if (found.briefs.length >= events && freedBytes >= bytes) break;
      found.briefs.push(this.brief(seq, record));
      found.bytes.push(record.length);
      freedBytes += record.length;
    }
    return found;
  }

  /** Of what is past its time, some; the rest when these are gone. */
  due(nowMs: number, ages: [channel: string, beforeMs: number][], limit: number): DueResult {
    const expired: Brief[] = [];
    const aged: Brief[] = [];
    const sql = 'SELECT seq, record FROM events WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?';
    for (const [seq, record] of this.#sql.rows(sql, nowMs, limit) as Iterable<[number, Uint8Array]>) expired.push(this.brief(seq, record));
    for (const [channel, beforeMs] of ages) {
      const range = this.#channels.rangeOf(channel);
      if (!range) continue;
      const sql = 'SELECT seq, record, stored_ms FROM events WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?';
      for (const [seq, record, storedMs] of this.#sql.rows(sql, range.first, range.end, limit) as Iterable<[number, Uint8Array, number]>) {
        if (storedMs >= beforeMs) break;
        aged.push(this.brief(seq, record));
      }
    }
    return { expired, aged };
  }

  ofKey(channel: Channel, key: string): Brief[] {
    const { first, end } = placesOf(channel);
    const rows = this.#sql.rows('SELECT seq, record FROM events WHERE key = ? AND seq >= ? AND seq < ?', key, first, end);
    return [...(rows as Iterable<[number, Uint8Array]>)].map(([seq, record]) => this.brief(seq, record));
  }

  note(name: string): Uint8Array | undefined {
    return this.#sql.row('SELECT value FROM notes WHERE name = ?', name)?.[0] as Uint8Array | undefined;
  }

  brief(seq: number, record: Uint8Array): Brief {
    const { id, topic } = decodeRecord(Buffer.from(record.buffer, record.byteOffset, record.length));
    return { seq, id, channel: this.#channels.of(seq).name, topic };
  }
}
