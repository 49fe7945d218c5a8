const NEWLINE = 0x0a;
const RETURN = 0x0d;

export interface Line {
  /** Without its end. */
  bytes: Buffer;
  /** With it: how far it moves a place in a file. */
  size: number;
}

/** Finds lines in what comes in pieces. One that is longer than the bound comes in parts, and is counted. */
export class LineSplitter {
  /** Lines that came in parts. */
  cut = 0;
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #held = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(bytes: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let to = bytes.indexOf(NEWLINE); to !== -1; to = bytes.indexOf(NEWLINE, from)) {
      this.#hold(bytes.subarray(from, to + 1), lines);
      lines.push(this.#take());
      from = to + 1;
    }
    if (from < bytes.length) this.#hold(bytes.subarray(from), lines);
    return lines;
  }

  /** The last line, if it has no end. */
  end(): Line | undefined {
    return this.#held > 0 ? this.#take() : undefined;
  }

  #hold(bytes: Buffer, lines: Line[]): void {
    let rest = bytes;
    const maxBytes = this.#maxBytes + (bytes[bytes.length - 1] === NEWLINE ? 1 : 0);
    while (this.#held + rest.length > maxBytes) {
      const room = this.#maxBytes - this.#held;
      this.#pieces.push(rest.subarray(0, room));
      this.#held += room;
      lines.push(this.#take());
      this.cut++;
      rest = rest.subarray(room);
    }
    this.#pieces.push(rest);
    this.#held += rest.length;
  }

  #take(): Line {
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#held = 0;
    let end = all.length;
    if (all[end - 1] === NEWLINE) {
      end--;
      if (all[end - 1] === RETURN) end--;
    }
    return { bytes: all.subarray(0, end), size: all.length };
  }
}
