const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Cuts bytes into lines, whatever the chunks they come in. Empty lines are left out. */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #onTooLong: (bytes: number) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** @param onTooLong told of a line beyond the limit, with its length, when it ends; nothing of it is given */
  constructor(maxBytes: number, onTooLong: (bytes: number) => void) {
    this.#maxBytes = maxBytes;
    this.#onTooLong = onTooLong;
  }

  /** The lines that are whole now, without `\n` or `\r\n`. They are views of the chunks where they can be. */
  *push(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#add(chunk.subarray(start, end));
      start = end + 1;
      const line = this.#take();
      if (line) yield line;
    }
    this.#add(chunk.subarray(start));
  }

  /** What stands behind the last newline, once no more will come. */
  end(): Buffer | undefined {
    return this.#take();
  }

  #add(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }

  #take(): Buffer | undefined {
    const bytes = this.#bytes;
    const parts = this.#parts;
    this.#bytes = 0;
    this.#parts = [];
    if (bytes > this.#maxBytes) {
      this.#onTooLong(bytes);
      return undefined;
    }
    const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes);
    const length = line[line.length - 1] === RETURN ? line.length - 1 : line.length;
    return length > 0 ? line.subarray(0, length) : undefined;
  }
}
