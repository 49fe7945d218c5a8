import { type FileHandle, open, readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../../core/atomic-file.ts';
import { systemCode } from '../../core/errors.ts';

/** So many are known; the file has up to twice as many. */
const MAX_KEYS = 20_000;
/** An id of an event. What a crash left half is none. */
const KEY = /^[0-9A-Z]{26}$/;

/** Ids of the last deliveries that were stored, on disk: by them a repeat is told, also after a crash. */
export class Deliveries implements AsyncDisposable {
  readonly #path: string;
  readonly #keys: Set<string>;
  #file: FileHandle;
  #lines: number;
  #unsaved: string[] = [];
  #saving: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(path: string, keys: Set<string>, file: FileHandle) {
    this.#path = path;
    this.#keys = keys;
    this.#file = file;
    this.#lines = keys.size;
  }

  static async open(path: string): Promise<Deliveries> {
    const lines = (await readText(path)).split('\n').filter((line) => KEY.test(line));
    return new Deliveries(path, new Set(lines.slice(-MAX_KEYS)), await open(path, 'a', 0o600));
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Known at once; resolves once it is on disk, with all that came meanwhile. Rejects when the disk does not take it. */
  add(key: string): Promise<void> {
    this.#keys.add(key);
    if (this.#keys.size > MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value!);
    this.#unsaved.push(key);
    this.#next ??= this.#saveAfter(this.#saving);
    return this.#next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#next ?? this.#saving).catch(() => {});
    await this.#file.close();
  }

  #saveAfter(earlier: Promise<void>): Promise<void> {
    const saving = earlier.catch(() => {}).then(() => this.#save());
    this.#saving = saving;
    return saving;
  }

  async #save(): Promise<void> {
    const keys = this.#unsaved;
    this.#unsaved = [];
    this.#next = undefined;
    this.#lines += keys.length;
    if (this.#lines > 2 * MAX_KEYS) return this.#rewrite();
    // In front of each, so that what a failing disk took half does not spoil the next.
    await this.#file.write(keys.map((key) => `\n${key}`).join(''));
    await this.#file.datasync();
  }

  async #rewrite(): Promise<void> {
    await writeFileAtomic(this.#path, [...this.#keys].join('\n'));
    await this.#file.close();
    this.#file = await open(this.#path, 'a', 0o600);
    this.#lines = this.#keys.size;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
}
