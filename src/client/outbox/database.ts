import { DatabaseSync } from 'node:sqlite';
import { HydrantError } from '../../core/errors.ts';
import { createPrivateFile } from '../../core/files.ts';

const FORMAT = 1;
/** `HyOb`: a database that is something else is not touched. */
const APPLICATION = 0x48794f62;
const SQLITE_BUSY = 5;
const BUSY_MS = 10_000;

/** The newest ranges of places that left unsent. The first outboxes of this format lack it; where it is, nothing is written. */
const DROPPED =
  'CREATE TABLE IF NOT EXISTS dropped (number INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, reason TEXT NOT NULL);';

/**
 * `seq` is the number of the channel × 2^40 + a number that counts up: a channel is one range, appended at its end and deleted at its front.
 * What a channel holds stands in `channels`, so that nobody has to count.
 */
const SCHEMA = `
  CREATE TABLE channels (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, next INTEGER NOT NULL, events INTEGER NOT NULL,
    bytes INTEGER NOT NULL, quarantined INTEGER NOT NULL, quarantined_bytes INTEGER NOT NULL, wanted_events INTEGER NOT NULL,
    wanted_bytes INTEGER NOT NULL);
  CREATE TABLE events (seq INTEGER PRIMARY KEY, stored_ms INTEGER NOT NULL, expires_ms INTEGER, key TEXT, attempts INTEGER,
    record BLOB NOT NULL);
  CREATE INDEX events_by_expiry ON events (expires_ms) WHERE expires_ms IS NOT NULL;
  CREATE INDEX events_by_key ON events (key) WHERE key IS NOT NULL;
  CREATE TABLE quarantined (seq INTEGER PRIMARY KEY, stored_ms INTEGER NOT NULL, expires_ms INTEGER, key TEXT, attempts INTEGER,
    record BLOB NOT NULL, reason TEXT NOT NULL, quarantined_ms INTEGER NOT NULL);
  ${DROPPED}
  CREATE TABLE notes (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION};
  PRAGMA user_version = ${FORMAT};`;

/**
 * Opens the file, or makes it (mode 0600), for one of several processes. The log is bounded, so that what a crash leaves is read in
 * some milliseconds.
 * @throws HYD_DATA_FORMAT when it is not an outbox, or a newer one
 */
export function openDatabase(path: string): DatabaseSync {
  // SQLite gives its log the mode of the file.
  if (path !== ':memory:') createPrivateFile(path);
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    let isNew = checkFormat(database, path);
    useLog(database);
    database.exec('PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 500; PRAGMA journal_size_limit = 4194304;');
    if (!isNew) {
      database.exec(DROPPED);
      return database;
    }
    database.exec('BEGIN IMMEDIATE');
    isNew = checkFormat(database, path);
    if (isNew) database.exec(SCHEMA);
    database.exec('COMMIT');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** @returns whether there is nothing in it yet */
function checkFormat(database: DatabaseSync, path: string): boolean {
  const format = numberOf(database, 'user_version');
  const application = numberOf(database, 'application_id');
  if (application === APPLICATION && format === FORMAT) return false;
  if (application === 0 && format === 0 && numberOf(database, 'schema_version') === 0) return true;
  throw new HydrantError(
    'HYD_DATA_FORMAT',
    application === APPLICATION
      ? `${path} is an outbox of format ${format}; this Hydrant knows format ${FORMAT}`
      : `${path} is a database of another program`,
    application === APPLICATION ? {} : { fix: 'Give another folder; nothing of this one was changed.' },
  );
}

type NumberPragma = 'user_version' | 'application_id' | 'data_version' | 'schema_version' | 'freelist_count' | 'page_size';

/** A number that the database keeps about itself. */
export function numberOf(database: DatabaseSync, pragma: NumberPragma): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()![pragma]);
}

/** While another process turns the log on, SQLite says busy without waiting. */
function useLog(database: DatabaseSync): void {
  const lateMs = performance.now() + BUSY_MS;
  for (;;) {
    try {
      database.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY || performance.now() > lateMs) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
