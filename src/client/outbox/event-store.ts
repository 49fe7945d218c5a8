import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { crashPoint } from '../../core/crash-point.ts';
import { HydrantError } from '../../core/errors.ts';
import { numberOf, openDatabase } from './database.ts';
import type {
  Brief,
  Change,
  ChangeResult,
  ChannelReport,
  CommitRequest,
  CommitResult,
  DueResult,
  OldestResult,
  PutBlock,
  PutResult,
  QuarantineBlock,
  RecordBlock,
  Retried,
} from './messages.ts';
import { decodeRecord } from './record.ts';

/** Numbers of one channel. */
const RANGE = 2 ** 40;
const MAX_CHANNELS = 2 ** 13 - 1;
/** Rows of one statement: a call costs as much as two rows. */
const ROWS = 16;
/** As much as the log has at most: what is in it can then always be moved to the file, also on a full disk. */
const RESERVE_BYTES = 1 << 22;
const NOTHING_PUT: PutResult = { firsts: [], refused: [], replaced: [], leftOut: false };
const STANDARD_BOUNDS = { maxEvents: 1_000_000, maxBytes: 1 << 30, keepsOrder: false };

interface Channel {
  number: number;
  name: string;
  next: number;
  events: number;
  bytes: number;
  quarantined: number;
  quarantinedBytes: number;
  wantedEvents: number;
  wantedBytes: number;
}

type EventRow = [seq: number, storedMs: number, expiresMs: number | null, key: string | null, attempts: number | null, record: Uint8Array];
type QuarantineRow = [...EventRow, reason: string, quarantinedMs: number];

const INSERT_ROW = 'INSERT INTO events (seq, stored_ms, record) VALUES (?, ?, ?)';
const INSERT_ROWS = `${INSERT_ROW}${', (?, ?, ?)'.repeat(ROWS - 1)}`;
const EVENT_COLUMNS = 'seq, stored_ms, expires_ms, key, attempts, record';

/** The events of an outbox in SQLite, one transaction for a batch. Runs in the worker thread. */
export class EventStore {
  readonly #db: DatabaseSync;
  readonly #reserve: string | undefined;
  readonly #statements = new Map<string, StatementSync>();
  readonly #bounds = new Map<string, typeof STANDARD_BOUNDS>();
  readonly #byName = new Map<string, Channel>();
  readonly #byNumber = new Map<number, Channel>();
  readonly #changed = new Set<Channel>();
  readonly #foreign = new Set<string>();
  #dataVersion: number;
  #epoch = 0;
  #reserveFreed = false;

  constructor(path: string) {
    this.#db = openDatabase(path);
    this.#reserve = path === ':memory:' ? undefined : `${path}.reserve`;
    this.#dataVersion = numberOf(this.#db, 'data_version');
    this.#loadChannels();
    this.#keepReserve();
  }

  setBounds(channel: string, bounds: typeof STANDARD_BOUNDS): void {
    this.#bounds.set(channel, bounds);
  }

  /** One transaction, or nothing. @returns undefined when the batch is stale */
  commit({ epoch, nowMs, removed, changes, puts }: CommitRequest): CommitResult | undefined {
    if (epoch !== this.#epoch) return undefined;
    try {
      if (puts && this.#reserveFreed) this.#assertSpace(puts);
      this.#db.exec('BEGIN IMMEDIATE');
      this.#refresh();
      for (let i = 0; i < removed.length; i += 2) this.#remove(removed[i]!, removed[i + 1]!);
      const done = changes.map((change) => this.#change(change, nowMs));
      const put = puts ? this.#put(puts, nowMs) : NOTHING_PUT;
      for (const channel of this.#changed) this.#saveChannel(channel);
      crashPoint('outbox.before-commit');
      this.#db.exec('COMMIT');
      crashPoint('outbox.after-commit');
      if (put.leftOut) this.#epoch++;
      if (this.#reserveFreed) this.#tidyUp();
      return { changes: done, ...put };
    } catch (error) {
      this.#epoch++;
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      if (!puts || this.#fits(puts)) this.#freeReserve();
      this.#shortenLog();
      this.#loadChannels();
      throw error;
    }
  }

  /** Channels that changed since it was last asked. */
  takeReports(): { reports: ChannelReport[]; foreign: string[] } {
    const reports = [...this.#changed].map((channel) => this.#report(channel));
    const foreign = [...this.#foreign];
    this.#changed.clear();
    this.#foreign.clear();
    return { reports, foreign };
  }

  /** Looks for what other processes did. */
  poll(): void {
    this.#refresh();
  }

  read(channel: string, afterSeq: number, maxEvents: number, maxBytes: number): RecordBlock {
    const range = this.#rangeOf(channel);
    const rows = range ? this.#rows(range, afterSeq, maxEvents, maxBytes) : [];
    return packRecords(rows);
  }

  quarantined(afterSeq: number, maxEvents: number, maxBytes: number): QuarantineBlock {
    const sql = `SELECT ${EVENT_COLUMNS}, reason, quarantined_ms FROM quarantined WHERE seq > ? ORDER BY seq LIMIT ?`;
    const rows = takeUpTo(this.#rowsOf(sql, afterSeq, maxEvents) as Iterable<QuarantineRow>, maxBytes);
    return {
      ...packRecords(rows),
      channels: rows.map(([seq]) => this.#channelOf(seq).name),
      reasons: rows.map((row) => row[6]),
      quarantinedMs: rows.map((row) => row[7]),
    };
  }

  oldest(name: string, afterSeq: number, events: number, bytes: number): OldestResult {
    const range = this.#rangeOf(name);
    const found: OldestResult = { briefs: [], bytes: [] };
    if (!range) return found;
    const sql = 'SELECT seq, record FROM events WHERE seq > ? AND seq < ? ORDER BY seq';
    const rows = this.#rowsOf(sql, Math.max(afterSeq, range.first - 1), range.end) as Iterable<[number, Uint8Array]>;
    let freedBytes = 0;
    for (const [seq, record] of rows) {
      if (found.briefs.length >= events && freedBytes >= bytes) break;
      found.briefs.push(this.#brief(seq, record));
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
    for (const [seq, record] of this.#rowsOf(sql, nowMs, limit) as Iterable<[number, Uint8Array]>) expired.push(this.#brief(seq, record));
    for (const [channel, beforeMs] of ages) {
      const range = this.#rangeOf(channel);
      if (!range) continue;
      const sql = 'SELECT seq, record, stored_ms FROM events WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?';
      for (const [seq, record, storedMs] of this.#rowsOf(sql, range.first, range.end, limit) as Iterable<[number, Uint8Array, number]>) {
        if (storedMs >= beforeMs) break;
        aged.push(this.#brief(seq, record));
      }
    }
    return { expired, aged };
  }

  note(name: string): Uint8Array | undefined {
    return this.#row('SELECT value FROM notes WHERE name = ?', name)?.[0] as Uint8Array | undefined;
  }

  close(): void {
    this.#db.close();
  }

  #put(block: PutBlock, nowMs: number): PutResult {
    const bytes = Buffer.from(block.buffer);
    const channels = block.channels.map((name) => this.#channel(name));
    const bounds = block.channels.map((name) => this.#bounds.get(name) ?? STANDARD_BOUNDS);
    const firsts = channels.map(({ number, next }) => number * RANGE + next);
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
      const others = before ? [before] : place === undefined ? [] : this.#ofKey(channel, extra!.key!);
      const isFull = channel.events + channel.quarantined >= maxEvents || channel.bytes + channel.quarantinedBytes + recordBytes > maxBytes;
      if (held[channelAt] || (isFull && others.length === 0)) {
        held[channelAt] = keepsOrder;
        refused.push(i);
        continue;
      }
      replaced.push(...others);
      const seq = channel.number * RANGE + channel.next++;
      channel.events++;
      channel.bytes += recordBytes;
      if (extra) {
        const sql = `INSERT INTO events (seq, stored_ms, expires_ms, key, record) VALUES (?, ?, ?, ?, ?)`;
        this.#statement(sql).run(seq, nowMs, extra.expiresMs ?? null, extra.key ?? null, record);
        if (place !== undefined) newest.set(place, this.#brief(seq, record));
      } else {
        values.push(seq, nowMs, record);
        if (values.length === 3 * ROWS) this.#statement(INSERT_ROWS).run(...values.splice(0));
      }
    }
    while (values.length > 0) this.#statement(INSERT_ROW).run(...values.splice(0, 3));
    for (const channel of channels) this.#changed.add(channel);
    return { firsts, refused, replaced, leftOut: held.includes(true) };
  }

  #remove(first: number, last: number): void {
    const sums = this.#row('SELECT count(*), sum(length(record)) FROM events WHERE seq BETWEEN ? AND ?', first, last)!;
    const [events, bytes] = sums as [number, number | null];
    if (events === 0) return;
    this.#statement('DELETE FROM events WHERE seq BETWEEN ? AND ?').run(first, last);
    const channel = this.#channelOf(first);
    channel.events -= events;
    channel.bytes -= bytes!;
    this.#changed.add(channel);
  }

  #change(change: Change, nowMs: number): ChangeResult {
    switch (change.kind) {
      case 'attempts':
        return this.#statement('UPDATE events SET attempts = ? WHERE seq = ?').run(change.attempts, change.seq).changes > 0;
      case 'quarantine':
        return this.#quarantine(change.seq, change.reason, nowMs);
      case 'retry':
        return this.#retry(change.seq, nowMs);
      case 'drop':
        return this.#drop(change.seq);
      case 'note':
        if (change.value === undefined) this.#statement('DELETE FROM notes WHERE name = ?').run(change.name);
        else this.#statement('INSERT OR REPLACE INTO notes VALUES (?, ?)').run(change.name, change.value);
        return true;
      case 'want': {
        const channel = this.#channel(change.channel);
        if (channel.events < change.seen) return false;
        channel.wantedEvents = change.events;
        channel.wantedBytes = change.bytes;
        this.#changed.add(channel);
        return true;
      }
    }
  }

  #quarantine(seq: number, reason: string, nowMs: number): boolean {
    const bytes = this.#bytesOf('events', seq);
    if (bytes === undefined) return false;
    this.#statement(
      `INSERT INTO quarantined (${EVENT_COLUMNS}, reason, quarantined_ms) SELECT ${EVENT_COLUMNS}, ?, ? FROM events WHERE seq = ?`,
    ).run(reason, nowMs, seq);
    this.#remove(seq, seq);
    const channel = this.#channelOf(seq);
    channel.quarantined++;
    channel.quarantinedBytes += bytes;
    return true;
  }

  #retry(seq: number, nowMs: number): Retried | undefined {
    const bytes = this.#bytesOf('quarantined', seq);
    if (bytes === undefined) return undefined;
    const channel = this.#channelOf(seq);
    const place = channel.number * RANGE + channel.next++;
    this.#statement(
      `INSERT INTO events (seq, stored_ms, expires_ms, key, record) SELECT ?, ?, expires_ms, key, record FROM quarantined WHERE seq = ?`,
    ).run(place, nowMs, seq);
    this.#forget(seq, bytes);
    channel.events++;
    channel.bytes += bytes;
    const rows = [...this.#rowsOf(`SELECT ${EVENT_COLUMNS} FROM events WHERE seq = ?`, place)] as EventRow[];
    return { channel: channel.name, block: packRecords(rows) };
  }

  #drop(seq: number): Brief | undefined {
    const record = (this.#row('SELECT record FROM events WHERE seq = ?', seq) ??
      this.#row('SELECT record FROM quarantined WHERE seq = ?', seq))?.[0] as Uint8Array | undefined;
    if (!record) return undefined;
    if (this.#bytesOf('events', seq) !== undefined) this.#remove(seq, seq);
    else this.#forget(seq, record.length);
    return this.#brief(seq, record);
  }

  /** Out of the quarantine. */
  #forget(seq: number, bytes: number): void {
    this.#statement('DELETE FROM quarantined WHERE seq = ?').run(seq);
    const channel = this.#channelOf(seq);
    channel.quarantined--;
    channel.quarantinedBytes -= bytes;
    this.#changed.add(channel);
  }

  #bytesOf(table: 'events' | 'quarantined', seq: number): number | undefined {
    return this.#row(`SELECT length(record) FROM ${table} WHERE seq = ?`, seq)?.[0] as number | undefined;
  }

  #ofKey(channel: Channel, key: string): Brief[] {
    const first = channel.number * RANGE;
    const rows = this.#rowsOf('SELECT seq, record FROM events WHERE key = ? AND seq >= ? AND seq < ?', key, first, first + RANGE);
    return [...(rows as Iterable<[number, Uint8Array]>)].map(([seq, record]) => this.#brief(seq, record));
  }

  #rows(range: { first: number; end: number }, afterSeq: number, maxEvents: number, maxBytes: number): EventRow[] {
    const sql = `SELECT ${EVENT_COLUMNS} FROM events WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?`;
    return takeUpTo(this.#rowsOf(sql, Math.max(afterSeq, range.first - 1), range.end, maxEvents) as Iterable<EventRow>, maxBytes);
  }

  #brief(seq: number, record: Uint8Array): Brief {
    const { id, topic } = decodeRecord(Buffer.from(record.buffer, record.byteOffset, record.length));
    return { seq, id, channel: this.#channelOf(seq).name, topic };
  }

  #rangeOf(name: string): { first: number; end: number } | undefined {
    const channel = this.#byName.get(name);
    return channel && { first: channel.number * RANGE, end: (channel.number + 1) * RANGE };
  }

  #channelOf(seq: number): Channel {
    const channel = this.#byNumber.get(Math.floor(seq / RANGE));
    if (!channel) throw new HydrantError('HYD_OUTBOX', `the outbox has an event ${seq} of a channel that it does not know`);
    return channel;
  }

  /** Made when missing; its number is never given again. */
  #channel(name: string): Channel {
    const known = this.#byName.get(name);
    if (known) return known;
    const number = this.#byNumber.size + 1;
    if (number > MAX_CHANNELS) throw new HydrantError('HYD_OUTBOX', `the outbox has ${MAX_CHANNELS} channels, and that is all it can keep`);
    const channel = { number, name, next: 1, events: 0, bytes: 0, quarantined: 0, quarantinedBytes: 0, wantedEvents: 0, wantedBytes: 0 };
    this.#byName.set(name, channel);
    this.#byNumber.set(number, channel);
    return channel;
  }

  #saveChannel({ number, name, next, events, bytes, quarantined, quarantinedBytes, wantedEvents, wantedBytes }: Channel): void {
    this.#statement('INSERT OR REPLACE INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)').run(
      number,
      name,
      next,
      events,
      bytes,
      quarantined,
      quarantinedBytes,
      wantedEvents,
      wantedBytes,
    );
  }

  #refresh(): void {
    const dataVersion = numberOf(this.#db, 'data_version');
    if (dataVersion === this.#dataVersion) return;
    this.#dataVersion = dataVersion;
    for (const name of this.#loadChannels()) this.#foreign.add(name);
  }

  /** Reads the channels again. Places that were given in a commit that failed are not given again. @returns those that differ */
  #loadChannels(): string[] {
    const before = new Map(this.#byName);
    this.#byName.clear();
    this.#byNumber.clear();
    const differing: string[] = [];
    for (const row of this.#rowsOf('SELECT * FROM channels')) {
      const [number, name, next, events, bytes, quarantined, quarantinedBytes, wantedEvents, wantedBytes] = row as [
        number,
        string,
        ...number[],
      ];
      const known = before.get(name);
      const channel = {
        number,
        name,
        next: Math.max(next!, known?.next ?? 0),
        events: events!,
        bytes: bytes!,
        quarantined: quarantined!,
        quarantinedBytes: quarantinedBytes!,
        wantedEvents: wantedEvents!,
        wantedBytes: wantedBytes!,
      };
      this.#byName.set(name, channel);
      this.#byNumber.set(number, channel);
      if (known) this.#changed.delete(known);
      this.#changed.add(channel);
      if (!known || JSON.stringify(known) !== JSON.stringify(channel)) differing.push(name);
    }
    return differing;
  }

  #report({ number, name, events, bytes, quarantined, quarantinedBytes, wantedEvents, wantedBytes }: Channel): ChannelReport {
    const first = number * RANGE;
    const [oldestSeq, oldestMs] =
      events === 0
        ? []
        : (this.#row('SELECT seq, stored_ms FROM events WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 1', first, first + RANGE) ?? []);
    return {
      name,
      first,
      end: first + RANGE,
      events,
      bytes,
      quarantined,
      quarantinedBytes,
      oldestSeq: oldestSeq as number | undefined,
      oldestMs: oldestMs as number | undefined,
      wanted: { events: wantedEvents, bytes: wantedBytes },
    };
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      statement.setReturnArrays(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #row(sql: string, ...values: SQLInputValue[]): SQLOutputValue[] | undefined {
    return this.#statement(sql).get(...values) as unknown as SQLOutputValue[] | undefined;
  }

  #rowsOf(sql: string, ...values: SQLInputValue[]): Iterable<SQLOutputValue[]> {
    return this.#statement(sql).iterate(...values) as Iterable<unknown> as Iterable<SQLOutputValue[]>;
  }

  /** Space for the moment when the disk is full: what the bus has acknowledged must still be deleted. @returns whether it is there */
  #keepReserve(): boolean {
    if (this.#reserve === undefined) return true;
    try {
      if (!existsSync(this.#reserve)) writeFileSync(this.#reserve, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 });
      this.#reserveFreed = false;
    } catch {
      this.#freeReserve();
    }
    return !this.#reserveFreed;
  }

  #freeReserve(): void {
    if (this.#reserve === undefined) return;
    rmSync(this.#reserve, { force: true });
    this.#reserveFreed = true;
  }

  /** After a commit that needed the reserve. */
  #tidyUp(): void {
    this.#shortenLog();
    this.#keepReserve();
  }

  /** Moves the log into the file, where there is space for that. */
  #shortenLog(): void {
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // The disk is full or failing: whoever writes next is told.
    }
  }

  /** What was kept back for deleting is not used up by what comes. */
  #assertSpace(puts: PutBlock): void {
    if (this.#fits(puts) || this.#keepReserve()) return;
    throw new HydrantError('HYD_OUTBOX', 'the disk is full; what is left is kept for deleting');
  }

  /** Whether it goes into what deleted events have left in the file. */
  #fits(puts: PutBlock): boolean {
    return numberOf(this.#db, 'freelist_count') * numberOf(this.#db, 'page_size') > 2 * puts.buffer.byteLength;
  }
}

/** Rows until so many bytes are together: one at least. */
function takeUpTo<Row extends EventRow | QuarantineRow>(rows: Iterable<Row>, maxBytes: number): Row[] {
  const taken: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (taken.length > 0 && bytes + row[5].length > maxBytes) break;
    taken.push(row);
    bytes += row[5].length;
  }
  return taken;
}

function packRecords(rows: readonly (EventRow | QuarantineRow)[]): RecordBlock {
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
