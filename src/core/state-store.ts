import { Worker } from 'node:worker_threads';
import { HydrantError } from './errors.ts';
import { type Log, silentLog } from './log.ts';
import type { Row, SqlValue, StateReply, StateRequest } from './state-worker.ts';
import { workerUrl } from './worker-url.ts';

export type { Row, SqlValue } from './state-worker.ts';

export interface StateStoreOptions {
  /** What makes the tables, one step for each version that added to them; those not yet taken are run at opening. */
  steps: readonly string[];
  /** How long a write that nobody waits for may stay in memory, milliseconds. Default 200. */
  lazyMs?: number;
  /** Space kept back for a full disk, bytes. Default 1 MiB. */
  reserveBytes?: number;
  log?: Log;
}

const RETRY_MS = 500;

/**
 * State on SQLite (WAL, synchronous FULL) in a worker thread, with group commit: writes are applied in the order given,
 * in one transaction for all that came while the one before was under way. A failed commit is tried again until it works.
 */
export class StateStore {
  readonly #worker: Worker;
  readonly #log: Log;
  readonly #lazyMs: number;
  readonly #asked: { resolve: (reply: StateReply) => void }[] = [];
  #writes: [string, ...SqlValue[]][] = [];
  #waiting: (() => void)[] = [];
  #committing = false;
  #urgent = false;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #failing = false;
  /** Called right before a transaction is sent, so that a position can be noted in the same one. */
  onBeforeCommit: () => void = () => {};

  constructor(path: string, options: StateStoreOptions) {
    this.#log = options.log ?? silentLog;
    this.#lazyMs = options.lazyMs ?? 200;
    const { steps, reserveBytes = 1 << 20 } = options;
    this.#worker = new Worker(workerUrl(import.meta.url, 'state-worker'), { name: 'state', workerData: { path, steps, reserveBytes } });
    this.#worker.on('message', (reply: StateReply) => this.#asked.shift()!.resolve(reply));
    this.#worker.on('error', (error) => {
      this.#log('error', 'the state store stopped', { error: error.message });
      for (const { resolve } of this.#asked.splice(0)) resolve({ ok: false, message: error.message });
    });
  }

  /** True while commits fail (a full or broken disk) and are being tried again. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Queues a write; durable with the next commit, `lazyMs` later at most. */
  write(sql: string, ...values: SqlValue[]): void {
    this.#writes.push([sql, ...values]);
    this.#timer ??= setTimeout(() => this.#flush(), this.#lazyMs).unref();
  }

  /** Resolves when everything queued so far is durable. */
  commit(): Promise<void> {
    return new Promise((resolve) => this.onDurable(resolve));
  }

  /** Calls back when everything queued so far is durable: `commit()` without a promise, in order. */
  onDurable(callback: () => void): void {
    this.#waiting.push(callback);
    if (this.#urgent || this.#committing) return;
    this.#urgent = true;
    setImmediate(() => this.#flush());
  }

  /** @throws HYD_STATE */
  async all(sql: string, ...values: SqlValue[]): Promise<Row[]> {
    const reply = await this.#ask({ kind: 'all', sql, values });
    if (!reply.ok) throw new HydrantError('HYD_STATE', `the state store cannot be read: ${reply.message}`);
    return reply.rows!;
  }

  /** Commits what is queued, then closes. Twice is fine. */
  close(): Promise<void> {
    this.#closing ??= this.commit().then(async () => {
      const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
      await this.#ask({ kind: 'close' });
      await ended;
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ask(request: StateRequest): Promise<StateReply> {
    return new Promise((resolve) => {
      this.#asked.push({ resolve });
      this.#worker.postMessage(request);
    });
  }

  #flush(): void {
    this.#urgent = false;
    this.#stopTimer();
    if (this.#committing) return;
    this.onBeforeCommit();
    this.#stopTimer();
    const writes = this.#writes;
    const waiting = this.#waiting;
    this.#writes = [];
    this.#waiting = [];
    if (writes.length === 0) {
      for (const resolve of waiting) resolve();
      return;
    }
    this.#committing = true;
    void this.#commitUntilDone(writes).then(() => {
      this.#committing = false;
      for (const resolve of waiting) resolve();
      if (this.#waiting.length > 0) this.#flush();
      else if (this.#writes.length > 0) this.#timer ??= setTimeout(() => this.#flush(), this.#lazyMs).unref();
    });
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #commitUntilDone(writes: [string, ...SqlValue[]][]): Promise<void> {
    for (;;) {
      const reply = await this.#ask({ kind: 'commit', writes });
      if (reply.ok) break;
      if (!this.#failing) this.#log('error', 'state could not be committed; trying again', { error: reply.message });
      this.#failing = true;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    if (this.#failing) this.#log('info', 'state commits again');
    this.#failing = false;
  }
}
