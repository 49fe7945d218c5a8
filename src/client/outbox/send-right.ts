import { join } from 'node:path';
import { type FileLock, lockFile } from '../../core/file-lock.ts';
import { abortError, closedError } from './failure.ts';

/** The right to send from an outbox folder, which one process has at a time: a lock that ends with it. In memory nobody else is there. */
export class SendRight {
  readonly #path: string;
  #held: FileLock | undefined;
  /** For as long as a drop takes, by a process that does not send. */
  #borrowed: FileLock | undefined;
  #claims: (() => void)[] = [];
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  get isHeld(): boolean {
    return this.#held !== undefined || this.#inMemory;
  }

  get isWanted(): boolean {
    return this.#claims.length > 0;
  }

  /** Resolves when it is held. @throws HYD_ABORTED, HYD_CLOSED */
  claim(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        if (!this.#closed && !signal?.aborted && !this.#take()) return;
        this.#claims = this.#claims.filter((other) => other !== attempt);
        signal?.removeEventListener('abort', attempt);
        if (this.#closed) reject(closedError(this.#path));
        else if (signal?.aborted) reject(abortError(signal));
        else resolve();
      };
      this.#claims.push(attempt);
      signal?.addEventListener('abort', attempt);
      attempt();
    });
  }

  /** For those who wait: looks whether it is free now. */
  look(): void {
    for (const attempt of [...this.#claims]) attempt();
  }

  /** Whether nobody else sends, now and until `giveBack`. */
  borrow(): boolean {
    if (this.isHeld || this.#borrowed) return true;
    this.#borrowed = this.#lock();
    return this.#borrowed !== undefined;
  }

  giveBack(): void {
    this.#borrowed?.release();
    this.#borrowed = undefined;
  }

  /** Who waits is told at once. */
  refuse(): void {
    this.#closed = true;
    this.look();
  }

  release(): void {
    this.giveBack();
    this.#held?.release();
  }

  get #inMemory(): boolean {
    return this.#path === ':memory:';
  }

  #take(): boolean {
    if (this.isHeld) return true;
    this.#held = this.#borrowed ?? this.#lock();
    this.#borrowed = undefined;
    return this.#held !== undefined;
  }

  #lock(): FileLock | undefined {
    return lockFile(join(this.#path, 'sender.lock'));
  }
}
