import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { HydrantError } from '../../core/errors.ts';
import { numberOf } from './database.ts';
import type { PutBlock } from './messages.ts';

/** As much as the log has at most: what is in it can then always be moved to the file, also on a full disk. */
const RESERVE_BYTES = 1 << 22;

/** Space for the moment when the disk is full: what the bus has acknowledged must still be deleted. */
export class Reserve {
  readonly #database: DatabaseSync;
  readonly #path: string | undefined;
  #isFreed = false;

  /** @param path of the database */
  constructor(path: string, database: DatabaseSync) {
    this.#database = database;
    this.#path = path === ':memory:' ? undefined : `${path}.reserve`;
    this.#keep();
  }

  /** What was kept back for deleting is not used up by what comes. */
  assertSpace(puts: PutBlock): void {
    if (!this.#isFreed || this.#fits(puts) || this.#keep()) return;
    throw new HydrantError('HYD_OUTBOX', 'the disk is full; what is left is kept for deleting');
  }

  /** After a commit: keeps what it needed of the reserve back again. */
  restore(): void {
    if (!this.#isFreed) return;
    this.#shortenLog();
    this.#keep();
  }

  /** After a commit that failed: space for the next one, unless what came just was too much. */
  release(puts: PutBlock | undefined): void {
    if (!puts || this.#fits(puts)) this.#free();
    this.#shortenLog();
  }

  /** @returns whether it is there */
  #keep(): boolean {
    if (this.#path === undefined) return true;
    try {
      if (!existsSync(this.#path)) writeFileSync(this.#path, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 });
      this.#isFreed = false;
    } catch {
      this.#free();
    }
    return !this.#isFreed;
  }

  #free(): void {
    if (this.#path === undefined) return;
    rmSync(this.#path, { force: true });
    this.#isFreed = true;
  }

  /** Moves the log into the file, where there is space for that. */
  #shortenLog(): void {
    try {
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // The disk is full or failing: whoever writes next is told.
    }
  }

  /** Whether it goes into what deleted events have left in the file. */
  #fits(puts: PutBlock): boolean {
    return numberOf(this.#database, 'freelist_count') * numberOf(this.#database, 'page_size') > 2 * puts.buffer.byteLength;
  }
}
