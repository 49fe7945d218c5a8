import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { TimeRange } from '../../core/time-range.ts';
import { HOUR_MS } from '../keys.ts';
import type { EpochFact, Facts, GapFact, HourFact, PauseFact } from './hour-facts.ts';

const VERSION = 2;
const TABLES = `
  CREATE TABLE hours (journal TEXT, epoch TEXT, first INTEGER, last INTEGER, hourMs INTEGER, events INTEGER, bytes INTEGER, excluded INTEGER,
    damaged INTEGER, dup INTEGER, minMs INTEGER, maxMs INTEGER, PRIMARY KEY (journal, epoch, first)) WITHOUT ROWID;
  CREATE INDEX by_hour ON hours (hourMs);
  CREATE TABLE epochs (journal TEXT, epoch TEXT, openedMs INTEGER, aliveMs INTEGER, closedMs INTEGER, PRIMARY KEY (journal, epoch)) WITHOUT ROWID;
  CREATE TABLE gaps (journal TEXT, epoch TEXT, seq INTEGER, reason TEXT, broker TEXT, "from" TEXT, "until" TEXT, PRIMARY KEY (journal, epoch, seq))
    WITHOUT ROWID;
  CREATE TABLE pauses (journal TEXT, epoch TEXT, fromMs INTEGER, untilMs INTEGER, PRIMARY KEY (journal, epoch, fromMs)) WITHOUT ROWID;
  PRAGMA user_version = ${VERSION};`;
const HOUR_FIELDS = [
  'journal',
  'epoch',
  'first',
  'last',
  'hourMs',
  'events',
  'bytes',
  'excluded',
  'damaged',
  'dup',
  'minMs',
  'maxMs',
] as const;

/**
 * Facts of hours in a SQLite file. It follows from the archive and can be deleted: what it does not have is read from manifests and segments.
 * Losing its last changes in a power cut is no loss, so it never waits for the disk.
 */
export class HourCatalogue implements Disposable {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** To be written by one process. A file of another version, or one that cannot be read, is made anew. */
  static open(path: string, remove: (path: string) => void): HourCatalogue {
    try {
      return HourCatalogue.#openFile(path);
    } catch {
      for (const ending of ['', '-wal', '-shm']) remove(path + ending);
      return HourCatalogue.#openFile(path);
    }
  }

  static #openFile(path: string): HourCatalogue {
    const db = new DatabaseSync(path);
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -256; PRAGMA busy_timeout = 2000;');
      const version = versionOf(db);
      if (version === 0) db.exec(`BEGIN; ${TABLES} COMMIT;`);
      else if (version !== VERSION) throw new Error(`version ${version}`);
      return new HourCatalogue(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** To be read, also beside the process that writes it. Undefined when there is none that can be read. */
  static read(path: string): HourCatalogue | undefined {
    if (!existsSync(path)) return undefined;
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path, { readOnly: true });
      if (versionOf(db) === VERSION) return new HourCatalogue(db);
    } catch {}
    db?.close();
    return undefined;
  }

  /** Notes facts, all or none. The same again changes nothing; what is put together of known runs takes their place. */
  add({ hours, epochs, gaps }: Facts): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const hour of hours) this.#addHour(hour);
      for (const epoch of epochs) this.#addEpoch(epoch);
      for (const { journal, epoch, seq, reason, broker, from, until } of gaps) {
        this.#run('INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?)', journal, epoch, seq, reason, broker, from, until);
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #addHour(hour: HourFact): void {
    const { journal, epoch, first, last } = hour;
    this.#run('DELETE FROM hours WHERE journal = ? AND epoch = ? AND first >= ? AND last <= ?', journal, epoch, first, last);
    this.#run(`INSERT OR REPLACE INTO hours VALUES (${HOUR_FIELDS.map(() => '?')})`, ...HOUR_FIELDS.map((field) => hour[field]));
  }

  #addEpoch({ journal, epoch, openedMs, aliveMs, closedMs }: EpochFact): void {
    const sql = `INSERT INTO epochs VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
      openedMs = coalesce(min(openedMs, excluded.openedMs), openedMs, excluded.openedMs),
      aliveMs = coalesce(max(aliveMs, excluded.aliveMs), aliveMs, excluded.aliveMs), closedMs = coalesce(excluded.closedMs, closedMs)`;
    this.#run(sql, journal, epoch, openedMs ?? null, aliveMs ?? null, closedMs ?? null);
  }

  addPause({ journal, epoch, fromMs, untilMs }: PauseFact): void {
    this.#run('INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?)', journal, epoch, fromMs, untilMs);
  }

  pauses(): PauseFact[] {
    return this.#all<PauseFact>('SELECT * FROM pauses');
  }

  /** What is known of the hours of a stretch of time; gaps and epochs all. */
  facts({ sinceMs, untilMs }: TimeRange): Facts {
    const from = sinceMs === undefined ? Number.MIN_SAFE_INTEGER : sinceMs - HOUR_MS;
    const hours = this.#all<HourFact>('SELECT * FROM hours WHERE hourMs > ? AND hourMs < ?', from, untilMs ?? Number.MAX_SAFE_INTEGER);
    return { hours, epochs: this.#all<EpochFact>('SELECT * FROM epochs').map(withoutNull), gaps: this.#all<GapFact>('SELECT * FROM gaps') };
  }

  /** The newest hour that is known, milliseconds since 1970. */
  newestMs(): number | undefined {
    const [row] = this.#all<{ newest: number | null }>('SELECT max(hourMs) AS newest FROM hours');
    return row?.newest ?? undefined;
  }

  #run(sql: string, ...values: (string | number | null)[]): void {
    this.#db.prepare(sql).run(...values);
  }

  #all<Row>(sql: string, ...values: (string | number)[]): Row[] {
    return this.#db.prepare(sql).all(...values) as Row[];
  }

  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()!.user_version);
}

function withoutNull<Row extends object>(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Row;
}
