import type { SQLInputValue } from 'node:sqlite';
import { type ChannelTable, nextSeq } from './channel-table.ts';
import type { EventReader } from './event-reader.ts';
import type { Brief, PutBlock, PutResult } from './messages.ts';
import type { DroppedRange } from './outbox.ts';
import type { Statements } from './statements.ts';

/** Rows of one statement: a call costs as much as two rows. */
const ROWS = 16;
/** Ranges of what left unsent. */
const MAX_DROPPED = 1000;
const STANDARD_BOUNDS = { maxEvents: 1_000_000, maxBytes: 1 << 30, keepsOrder: false };
const INSERT_ROW = 'INSERT INTO events (seq, stored_ms, record) VALUES (?, ?, ?)';
const INSERT_ROWS = `${INSERT_ROW}${', (?, ?, ?)'.repeat(ROWS - 1)}`;

export type StoreBounds = typeof STANDARD_BOUNDS;

/** Puts events at the ends of their channels, as far as the bounds allow, and deletes them. */
export class EventWriter {
  readonly #sql: Statements;
  readonly #channels: ChannelTable;
  readonly #reader: EventReader;
  readonly #bounds = new Map<string, StoreBounds>();

  constructor(sql: Statements, channels: ChannelTable, reader: EventReader) {
    this.#sql = sql;
    this.#channels = channels;
    this.#reader = reader;
  }

  setBounds(channel: string, bounds: StoreBounds): void {
    this.#bounds.set(channel, bounds);
  }

  put(block: PutBlock, nowMs: number): PutResult {
    const bytes = Buffer.from(block.buffer);
    const channels = block.channels.map((name) => this.#channels.open(name));
    const bounds = block.channels.map((name) => this.#bounds.get(name) ?? STANDARD_BOUNDS);
    const firsts = channels.map(nextSeq);
    const held = channels.map(() => false);
    const [refused, replaced]: [number[], Brief[]] = [[], []];
    const values: SQLInputValue[] = [];
    /** By channel and key: what was put a moment ago, in whose place that stands is told already. */
    const newest = new Map<string, Brief>();
    let nextExtra = 0;
    for (let i = 0, at = 0; i < block.count; i++) {
      const recordBytes = bytes.readUInt32LE(at);
      const channelAt = bytes.readUInt32LE(at + 4);
      const record = bytes.subarray(at + 8, at + 8 + recordBytes);
      at += 8 + recordBytes;
      const channel = channels[channelAt]!;
      const { maxEvents, maxBytes, keepsOrder } = bounds[channelAt]!;
      const extra = block.extras[nextExtra]?.index === i ? block.extras[nextExtra++] : undefined;
      const place = extra?.key !== undefined && extra.replaces ? `${channelAt}:${extra.key}` : undefined;
      const before = place === undefined ? undefined : newest.get(place);
      const others = before ? [before] : place === undefined ? [] : this.#reader.ofKey(channel, extra!.key!);
      const isFull = channel.events + channel.quarantined >= maxEvents || channel.bytes + channel.quarantinedBytes + recordBytes > maxBytes;
      if (held[channelAt] || (isFull && others.length === 0)) {
        held[channelAt] = keepsOrder;
        refused.push(i);
        continue;
      }
      replaced.push(...others);
      const seq = nextSeq(channel);
      channel.next++;
      channel.events++;
      channel.bytes += recordBytes;
      if (extra) {
        const sql = `INSERT INTO events (seq, stored_ms, expires_ms, key, record) VALUES (?, ?, ?, ?, ?)`;
        this.#sql.of(sql).run(seq, nowMs, extra.expiresMs ?? null, extra.key ?? null, record);
        if (place !== undefined) newest.set(place, this.#reader.brief(seq, record));
      } else {
        values.push(seq, nowMs, record);
        if (values.length === 3 * ROWS) this.#sql.of(INSERT_ROWS).run(...values.splice(0));
      }
    }
    while (values.length > 0) this.#sql.of(INSERT_ROW).run(...values.splice(0, 3));
    for (const channel of channels) this.#channels.touch(channel);
    return { firsts, refused, replaced, leftOut: held.includes(true) };
  }

  /** Says for a while why these left. */
  noteDropped({ first, last, reason }: DroppedRange): void {
    const { lastInsertRowid } = this.#sql.of('INSERT INTO dropped (first, last, reason) VALUES (?, ?, ?)').run(first, last, reason);
    this.#sql.of('DELETE FROM dropped WHERE number <= ?').run(Number(lastInsertRowid) - MAX_DROPPED);
  }

  remove(first: number, last: number): void {
    const sums = this.#sql.row('SELECT count(*), sum(length(record)) FROM events WHERE seq BETWEEN ? AND ?', first, last)!;
    const [events, bytes] = sums as [number, number | null];
    if (events === 0) return;
    this.#sql.of('DELETE FROM events WHERE seq BETWEEN ? AND ?').run(first, last);
    const channel = this.#channels.of(first);
    channel.events -= events;
    channel.bytes -= bytes!;
    this.#channels.touch(channel);
  }
}
