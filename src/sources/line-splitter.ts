const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Cuts bytes into lines, whatever the chunks they come in. A line is a view of its chunk where it can be, without its `\n` or `\r\n`. */
export class LineSplitter {
  /** Where in all that came the next line begins, or the next part of one. */
  offset = 0;
  /** Parts of lines beyond the limit, but the last of each. */
  cut = 0;
  readonly #maxBytes: number;
  readonly #onLeftOut: ((bytes: number) => void) | undefined;
  /** Of the line that has no end yet: its length, and as much of it as will be given. */
  #bytes = 0;
  #pieces: Buffer[] = [];

  /** @param onLeftOut told of a line beyond the limit, with its length, when it ends; nothing of it is given. Without, it comes in parts. */
  constructor(maxBytes: number, onLeftOut?: (bytes: number) => void) {
    this.#maxBytes = maxBytes;
    this.#onLeftOut = onLeftOut;
  }

  /** The lines that are whole now. */
  *push(chunk: Buffer): Generator<Buffer> {
    let from = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, from);
      const to = newline === -1 ? chunk.length : newline;
      while (!this.#onLeftOut && this.#bytes + to - from > this.#maxBytes) {
        const part = chunk.subarray(from, from + this.#maxBytes - this.#bytes);
        from += part.length;
        this.cut++;
        yield this.#take(part, 0)!;
      }
      const piece = chunk.subarray(from, to);
      if (newline === -1) return this.#hold(piece);
      from = to + 1;
      const line = this.#take(piece, 1);
      if (line) yield withoutReturn(line);
    }
  }

  /** What stands behind the last newline, once no more will come. */
  end(): Buffer | undefined {
    if (this.#bytes === 0) return undefined;
    const line = this.#take(Buffer.alloc(0), 0);
    return line && withoutReturn(line);
  }

  #hold(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxBytes) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece);
  }

  #take(last: Buffer, endBytes: number): Buffer | undefined {
    const bytes = this.#bytes + last.length;
    const pieces = this.#pieces;
    this.offset += bytes + endBytes;
    this.#bytes = 0;
    if (pieces.length > 0) this.#pieces = [];
    if (bytes > this.#maxBytes) {
      this.#onLeftOut?.(bytes);
      return undefined;
    }
    return pieces.length === 0 ? last : Buffer.concat([...pieces, last], bytes);
  }
}

function withoutReturn(line: Buffer): Buffer {
  return line[line.length - 1] === RETURN ? line.subarray(0, -1) : line;
}
