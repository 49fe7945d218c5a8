import { Worker } from 'node:worker_threads';
import { HydrantError } from '../core/errors.ts';
import { workerUrl } from '../core/worker-url.ts';
import type { HashJob } from './hash-worker.ts';

interface Waiting {
  resolve(same: boolean): void;
  reject(error: HydrantError): void;
}

/**
 * The thread that checks passwords, one at a time: a slow hash on the threads that all files share would hold up the disk. Started by the
 * first password, ended when it has had none for `idleMs`.
 */
export class HashThread {
  /** Passwords that may wait; beyond it HYD_BUSY. */
  maxWaiting: number;
  readonly #idleMs: number;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #waiting: Waiting[] = [];

  constructor(options: { maxWaiting: number; idleMs?: number }) {
    this.maxWaiting = options.maxWaiting;
    this.#idleMs = options.idleMs ?? 10_000;
  }

  /** Whether the thread is there. */
  get running(): boolean {
    return this.#worker !== undefined;
  }

  /** @throws HYD_BUSY when too many wait, or the thread ended in the middle of its work */
  verify(job: HashJob): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= this.maxWaiting) throw new HydrantError('HYD_BUSY', `${this.maxWaiting} logins wait already`);
      clearTimeout(this.#idle);
      this.#worker ??= this.#start();
      this.#worker.ref();
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(job);
    });
  }

  #start(): Worker {
    const worker = new Worker(workerUrl(import.meta.url, 'hash-worker'), { name: 'passwords' });
    const onEnd = (): void => {
      if (this.#worker === worker) this.#forget();
    };
    worker.on('error', onEnd).on('exit', onEnd);
    return worker.on('message', (same: boolean) => {
      this.#waiting.shift()?.resolve(same);
      if (this.#waiting.length > 0) return;
      worker.unref();
      this.#idle = setTimeout(() => void this.close(), this.#idleMs).unref();
    });
  }

  #forget(): void {
    this.#worker = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(new HydrantError('HYD_BUSY', 'checking passwords was interrupted'));
  }

  /** Who waits is refused. Another password starts it again. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#forget();
    await worker?.terminate();
  }
}
