import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../../core/atomic-file.ts';
import { HydrantError, systemCode } from '../../core/errors.ts';
import { isObject, parseJson } from '../../core/objects.ts';
import type { Cursor } from '../source.ts';

/** Between two writes; what is not saved at a crash is read again and published under the same ids. */
const INTERVAL_MS = 250;
/** After one that failed, such as on a full disk. */
const AGAIN_MS = 5000;

/**
 * Opens the cursor of a source: a JSON file, replaced whole.
 * @param stored resolves once everything published so far is on disk, so that the cursor is never ahead of the outbox
 * @throws HYD_DATA_FORMAT when the file is no JSON object
 */
export async function openCursorFile(path: string, stored: () => Promise<void>): Promise<CursorFile> {
  return new CursorFile(path, await readValues(path), stored);
}

export class CursorFile implements Cursor {
  readonly #path: string;
  readonly #stored: () => Promise<void>;
  #values: Record<string, unknown>;
  /** As it is on disk. */
  #saved: string;
  #isDirty = false;
  #saving: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Told when it could not be saved; `saved` throws the same. */
  onFailure: (error: unknown) => void = () => {};

  constructor(path: string, values: Record<string, unknown>, stored: () => Promise<void>) {
    this.#path = path;
    this.#values = values;
    this.#saved = JSON.stringify(values);
    this.#stored = stored;
  }

  get<T>(name: string): T | undefined {
    return this.#values[name] as T | undefined;
  }

  set(name: string, value: unknown): void {
    if (value === undefined) delete this.#values[name];
    else this.#values[name] = value;
    this.#isDirty = true;
    this.#saveIn(INTERVAL_MS);
  }

  async saved(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#saving) await this.#saving;
    if (!this.#isDirty) return;
    this.#saving = this.#save().finally(() => {
      this.#saving = undefined;
    });
    await this.#saving;
  }

  /** Back to what was saved last: what was published since was not all stored. Not while it is being saved. */
  restore(): void {
    this.#values = JSON.parse(this.#saved) as Record<string, unknown>;
    this.#isDirty = false;
  }

  #saveIn(delayMs: number): void {
    this.#timer ??= setTimeout(() => void this.saved().catch(this.onFailure), delayMs).unref();
  }

  async #save(): Promise<void> {
    this.#isDirty = false;
    const text = `${JSON.stringify(this.#values, undefined, 2)}\n`;
    try {
      await this.#stored();
      await writeFileAtomic(this.#path, text);
      this.#saved = text;
    } catch (error) {
      this.#isDirty = true;
      this.#saveIn(AGAIN_MS);
      throw error;
    }
  }
}

async function readValues(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return {};
    throw error;
  }
  const values = parseJson(text);
  if (isObject(values)) return values;
  throw new HydrantError('HYD_DATA_FORMAT', `${path} is no cursor of a source: it is not a JSON object`, {
    fix: `Put back the file from a backup, or remove it: the source then begins as if it had never run.`,
  });
}
