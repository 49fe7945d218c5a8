import { type ChannelTable, nextSeq } from './channel-table.ts';
import type { EventReader } from './event-reader.ts';
import { EVENT_COLUMNS, type EventRow, packRecords } from './event-rows.ts';
import type { EventWriter } from './event-writer.ts';
import type { Brief, Change, ChangeResult, Retried } from './messages.ts';
import type { DropReason } from './outbox.ts';
import type { Statements } from './statements.ts';

/** What is done to single events, notes and channels: attempts counted, quarantine, notes, room that is asked for. */
export class Changes {
  readonly #sql: Statements;
  readonly #channels: ChannelTable;
  readonly #reader: EventReader;
  readonly #writer: EventWriter;

  constructor(sql: Statements, channels: ChannelTable, reader: EventReader, writer: EventWriter) {
    this.#sql = sql;
    this.#channels = channels;
    this.#reader = reader;
    this.#writer = writer;
  }

  make(change: Change, nowMs: number): ChangeResult {
    switch (change.kind) {
      case 'attempts':
        return this.#sql.of('UPDATE events SET attempts = ? WHERE seq = ?').run(change.attempts, change.seq).changes > 0;
      case 'quarantine':
        return this.#quarantine(change.seq, change.reason, nowMs);
      case 'retry':
        return this.#retry(change.seq, nowMs);
      case 'drop':
        return this.#drop(change.seq, change.reason);
      case 'note':
        if (change.value === undefined) this.#sql.of('DELETE FROM notes WHERE name = ?').run(change.name);
        else this.#sql.of('INSERT OR REPLACE INTO notes VALUES (?, ?)').run(change.name, change.value);
        return true;
      case 'first-note':
        return this.#sql.of('INSERT OR IGNORE INTO notes VALUES (?, ?)').run(change.name, change.value).changes > 0;
      case 'want': {
        const channel = this.#channels.open(change.channel);
        if (channel.events < change.seen) return false;
        channel.wantedEvents = change.events;
        channel.wantedBytes = change.bytes;
        this.#channels.touch(channel);
        return true;
      }
    }
  }

  #quarantine(seq: number, reason: string, nowMs: number): boolean {
    const bytes = this.#bytesOf('events', seq);
    if (bytes === undefined) return false;
    const sql = `INSERT INTO quarantined (${EVENT_COLUMNS}, reason, quarantined_ms) SELECT ${EVENT_COLUMNS}, ?, ? FROM events WHERE seq = ?`;
    this.#sql.of(sql).run(reason, nowMs, seq);
    this.#writer.remove(seq, seq);
    const channel = this.#channels.of(seq);
    channel.quarantined++;
    channel.quarantinedBytes += bytes;
    return true;
  }

  #retry(seq: number, nowMs: number): Retried | undefined {
    const bytes = this.#bytesOf('quarantined', seq);
    if (bytes === undefined) return undefined;
    const channel = this.#channels.of(seq);
    const place = nextSeq(channel);
    channel.next++;
    const sql = `INSERT INTO events (seq, stored_ms, expires_ms, key, record) SELECT ?, ?, expires_ms, key, record FROM quarantined WHERE seq = ?`;
    this.#sql.of(sql).run(place, nowMs, seq);
    this.#forget(seq, bytes);
    channel.events++;
    channel.bytes += bytes;
    const rows = [...this.#sql.rows(`SELECT ${EVENT_COLUMNS} FROM events WHERE seq = ?`, place)] as EventRow[];
    return { channel: channel.name, block: packRecords(rows) };
  }

  #drop(seq: number, reason: DropReason): Brief | undefined {
    const record = (this.#sql.row('SELECT record FROM events WHERE seq = ?', seq) ??
      this.#sql.row('SELECT record FROM quarantined WHERE seq = ?', seq))?.[0] as Uint8Array | undefined;
    if (!record) return undefined;
    if (this.#bytesOf('events', seq) !== undefined) this.#writer.remove(seq, seq);
    else this.#forget(seq, record.length);
    this.#writer.noteDropped({ first: seq, last: seq, reason });
    return this.#reader.brief(seq, record);
  }

  /** Out of the quarantine. */
  #forget(seq: number, bytes: number): void {
    this.#sql.of('DELETE FROM quarantined WHERE seq = ?').run(seq);
    const channel = this.#channels.of(seq);
    channel.quarantined--;
    channel.quarantinedBytes -= bytes;
    this.#channels.touch(channel);
  }

  #bytesOf(table: 'events' | 'quarantined', seq: number): number | undefined {
    return this.#sql.row(`SELECT length(record) FROM ${table} WHERE seq = ?`, seq)?.[0] as number | undefined;
  }
}
