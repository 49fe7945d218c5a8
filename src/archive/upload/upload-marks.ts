import { rename, rm } from 'node:fs/promises';
import { errorText } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import { StateStore } from '../../core/state-store.ts';
import type { SeqPart } from '../sealer-options.ts';

/** A file of the archive as the remote store has it. */
export interface StoredFile {
  key: string;
  bytes: number;
}

/** Says that all files of an archive object were seen in the remote store. */
export interface Mark {
  base: string;
  files: StoredFile[];
}

const STEPS = [
  `CREATE TABLE uploads (base TEXT PRIMARY KEY, files TEXT NOT NULL, verified_ms INTEGER NOT NULL, removed INTEGER NOT NULL) WITHOUT ROWID;
   CREATE INDEX uploads_kept ON uploads (verified_ms) WHERE removed = 0;
   CREATE TABLE upload_parts (base TEXT NOT NULL, journal TEXT NOT NULL, epoch TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
     PRIMARY KEY (base, journal, epoch, first)) WITHOUT ROWID;
   CREATE INDEX upload_parts_last ON upload_parts (journal, last);`,
];

/**
 * Opens the marks. A file that is damaged is set aside: what it said can be found out again.
 * @throws HYD_STATE when it cannot be read for another reason
 */
export async function openUploadMarks(path: string, log: Log = silentLog): Promise<UploadMarks> {
  const marks = new UploadMarks(path, log);
  try {
    await marks.kept(0, 1);
    return marks;
  } catch (error) {
    if (!/malformed|not a database/.test(errorText(error))) throw error;
    log('error', 'the marks of uploads are damaged; they were set aside, and objects are compared with the remote store again', {
      kept: `${path}.damaged`,
      error: errorText(error),
    });
    await rename(path, `${path}.damaged`);
    for (const ending of ['-wal', '-shm']) await rm(path + ending, { force: true });
    return new UploadMarks(path, log);
  }
}

/**
 * What was uploaded, in a SQLite file of its own. Without the file nothing is lost: what is still local is compared with the remote
 * store again, and segments that the journal still holds are sealed and compared again.
 */
export class UploadMarks {
  readonly #state: StateStore;

  constructor(path: string, log: Log) {
    this.#state = new StateStore(path, { steps: STEPS, log, reserveBytes: 64 * 1024 });
  }

  /** Resolves once the mark is durable: from then on the local files may go. */
  add({ base, files }: Mark, parts: readonly SeqPart[], verifiedMs: number): Promise<void> {
    this.#state.write('INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, 0)', base, JSON.stringify(files), verifiedMs);
    for (const { journal, epoch, first, last } of parts) {
      this.#state.write('INSERT OR REPLACE INTO upload_parts VALUES (?, ?, ?, ?, ?)', base, journal, epoch, first, last);
    }
    return this.#state.commit();
  }

  /** The remote store has it no more. Resolves once that is durable. */
  remove(base: string): Promise<void> {
    this.#state.write('DELETE FROM uploads WHERE base = ?', base);
    this.#state.write('DELETE FROM upload_parts WHERE base = ?', base);
    return this.#state.commit();
  }

  /** Its local files are gone. */
  noteRemoved(base: string): void {
    this.#state.write('UPDATE uploads SET removed = 1 WHERE base = ?', base);
  }

  /** Of those with local files, what was verified before a moment, oldest first. */
  async kept(beforeMs: number, limit: number): Promise<Mark[]> {
    const sql = 'SELECT base, files FROM uploads WHERE removed = 0 AND verified_ms <= ? ORDER BY verified_ms LIMIT ?';
    return (await this.#state.all(sql, beforeMs, limit)).map(({ base, files }) => ({
      base: String(base),
      files: JSON.parse(String(files)) as StoredFile[],
    }));
  }

  async keptBases(): Promise<Set<string>> {
    return new Set((await this.#state.all('SELECT base FROM uploads WHERE removed = 0')).map(({ base }) => String(base)));
  }

  /** Sequences of a journal, from one on, that were uploaded; a part that begins before it is in it. */
  async parts(journal: string, fromSeq: number): Promise<SeqPart[]> {
    const rows = await this.#state.all('SELECT epoch, first, last FROM upload_parts WHERE journal = ? AND last >= ?', journal, fromSeq);
    return rows.map(({ epoch, first, last }) => ({ journal, epoch: String(epoch), first: Number(first), last: Number(last) }));
  }

  /** Forgets what is neither local nor in the journal any more. */
  prune(journal: string, fromSeq: number): void {
    this.#state.write(
      `DELETE FROM upload_parts WHERE (journal <> ? OR last < ?) AND base IN (SELECT base FROM uploads WHERE removed = 1)`,
      journal,
      fromSeq,
    );
    this.#state.write('DELETE FROM uploads WHERE removed = 1 AND base NOT IN (SELECT base FROM upload_parts)');
  }

  /** Resolves when all that was noted is durable. */
  commit(): Promise<void> {
    return this.#state.commit();
  }

  /** Twice is fine. */
  close(): Promise<void> {
    return this.#state.close();
  }
}
