import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { STATE_STEPS } from '../broker/session-state.ts';
import type { StateStore } from '../core/state-store.ts';

/** A state store that commits when it is told to, and loses what it has not when it crashes. */
export class HandStore {
  readonly #db: DatabaseSync;
  #dead = false;
  #writes: [string, SQLInputValue[]][] = [];
  #waiting: (() => void)[] = [];

  constructor(db?: DatabaseSync) {
    this.#db = db ?? new DatabaseSync(':memory:');
    if (!db) for (const step of STATE_STEPS) this.#db.exec(step);
  }

  write(sql: string, ...values: SQLInputValue[]): void {
    if (!this.#dead) this.#writes.push([sql, values]);
  }

  onDurable(callback: () => void): void {
    if (!this.#dead) this.#waiting.push(callback);
  }

  async all(sql: string): Promise<unknown[]> {
    return this.#db.prepare(sql).all();
  }

  /** What takes a whole store may have this one. */
  get asStore(): StateStore {
    return this as unknown as StateStore;
  }

  commit(): void {
    for (const [sql, values] of this.#writes.splice(0)) this.#db.prepare(sql).run(...values);
    for (const callback of this.#waiting.splice(0)) callback();
  }

  /** What was committed; this one takes nothing any more. */
  crash(): HandStore {
    this.#dead = true;
    this.#writes = [];
    this.#waiting = [];
    return new HandStore(this.#db);
  }
}
