import { decodeWords } from './encoded-words.ts';

/** The headers of a mail, by name in any case; values are unfolded and decoded, on one line, without control characters. */
export class MailHeaders {
  /** By name in small letters. */
  readonly #byName = new Map<string, { name: string; values: string[] }>();

  /** @param block the mail up to its first empty line; what follows that is not read. RFC 5322 section 2.2 */
  constructor(block: Uint8Array) {
    let name = '';
    let lines: string[] = [];
    const add = (): void => {
      if (name !== '') this.#add(name, lines.join(''));
    };
    for (const line of new TextDecoder().decode(block).split(/\r?\n/)) {
      if (line === '') break;
      if (/^[ \t]/.test(line)) {
        lines.push(line);
        continue;
      }
      add();
      const colon = line.indexOf(':');
      name = line.slice(0, Math.max(0, colon)).trimEnd();
      if (!/^[\x21-\x7e]+$/.test(name)) name = '';
      lines = [line.slice(colon + 1)];
    }
    add();
  }

  /** The first of this name, unless it is empty. */
  get(name: string): string | undefined {
    return this.all(name)[0] || undefined;
  }

  all(name: string): readonly string[] {
    return this.#byName.get(name.toLowerCase())?.values ?? [];
  }

  /** In the order of the mail, those of one name together, under the name as it was written first. */
  *[Symbol.iterator](): IterableIterator<{ name: string; values: readonly string[] }> {
    yield* this.#byName.values();
  }

  #add(name: string, raw: string): void {
    const value = decodeWords(raw)
      .replace(/\p{Cc}+/gu, ' ')
      .trim();
    const known = this.#byName.get(name.toLowerCase());
    if (known) known.values.push(value);
    else this.#byName.set(name.toLowerCase(), { name, values: [value] });
  }
}
