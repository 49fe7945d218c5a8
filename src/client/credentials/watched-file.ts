import { unwatchFile, watchFile } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';

const MAX_BYTES = 64 * 1024;
/** Looked at by polling: it sees files that are renamed over, links that are turned and network file systems, which inotify does not. */
const INTERVAL_MS = 2_000;

export interface WatchedFileOptions<T> {
  /** What it is called in messages: `key file`. */
  what: string;
  /** @throws HYD_CREDENTIALS when the bytes are not what is wanted */
  parse(bytes: Buffer): T;
  isSame(one: T, other: T): boolean;
  log: Log;
}

/** A small file that others may replace at any moment, as the value that it stands for. What is not good yet is not taken: the value before it stays. */
export class WatchedFile<T> {
  readonly #path: string;
  readonly #options: WatchedFileOptions<T>;
  #seen = '';
  #value: T | undefined;

  constructor(path: string, options: WatchedFileOptions<T>) {
    this.#path = path;
    this.#options = options;
  }

  /** The value now. @throws HYD_CREDENTIALS when there was never a good one */
  async read(): Promise<T> {
    let seen = '';
    try {
      const { mtimeNs, ino, size } = await stat(this.#path, { bigint: true });
      seen = `${mtimeNs} ${ino} ${size}`;
      if (seen !== this.#seen) this.#take(this.#options.parse(await this.#bytes(Number(size))));
    } catch (error) {
      const fault = error instanceof HydrantError ? error : this.#describe(error);
      if (this.#value === undefined) throw fault;
      if (seen !== this.#seen) {
        const { what, log } = this.#options;
        log('warn', `the ${what} cannot be used as it is now; the one before it goes on`, { error: fault.message });
      }
    }
    this.#seen = seen;
    return this.#value!;
  }

  /** Calls back when the file stands for another value than the one that was read last. @returns what ends it */
  watch(onReplaced: () => void): () => void {
    const look = async (): Promise<void> => {
      const before = this.#value;
      if (before === undefined) return;
      if (before !== (await this.read())) onReplaced();
    };
    const listener = (): void => void look();
    watchFile(this.#path, { interval: INTERVAL_MS, persistent: false }, listener);
    return () => unwatchFile(this.#path, listener);
  }

  /** What was only touched is the same value as before. */
  #take(value: T): void {
    if (this.#value === undefined || !this.#options.isSame(this.#value, value)) this.#value = value;
  }

  async #bytes(size: number): Promise<Buffer> {
    if (size <= MAX_BYTES) return await readFile(this.#path);
    throw new HydrantError(
      'HYD_CREDENTIALS',
      `the ${this.#options.what} ${this.#path} is ${size} bytes long, and ${MAX_BYTES} is the most`,
    );
  }

  #describe(error: unknown): HydrantError {
    const name = `the ${this.#options.what} ${this.#path}`;
    const said: Record<string, [message: string, fix: string]> = {
      ENOENT: [`${name} does not exist`, 'Put it there, or correct the path.'],
      EACCES: [
        `${name} may not be read by user ${process.geteuid?.() ?? 'of this process'}`,
        'Give it to the user that this program runs as.',
      ],
      EISDIR: [`${name} is a folder`, 'Give the path of the file in it.'],
    };
    const [message, fix] = said[systemCode(error) ?? ''] ?? [`${name} cannot be read: ${errorText(error)}`, undefined];
    return new HydrantError('HYD_CREDENTIALS', message, { cause: error, fix });
  }
}
