import { checkLineCrc, decodeLine } from '../../wire/line.ts';
import { LineView } from '../line-view.ts';
import type { SeqRange } from '../seq-set.ts';

export interface LineFault {
  /** `damaged`: a line without a good crc. `gap`: sequences that should be there. `order`: a sequence that comes late or twice. */
  kind: 'damaged' | 'gap' | 'order';
  offset: number;
  first?: number;
  last?: number;
}

/** Told of each good line, whose `view` stands on it. */
export type OnLine = (view: LineView, bytes: Buffer, start: number, end: number) => void;

/** Checks line after line of a run of sequences: each crc, and that each sequence follows the one before or the ranges known to be absent. */
export class LineChecker {
  readonly #view = new LineView();
  readonly #absent: readonly SeqRange[];
  readonly #onFault: (fault: LineFault) => void;
  readonly #onLine: OnLine | undefined;
  #next: number;
  #nextAbsent = 0;
  #damaged = false;
  lines = 0;

  constructor(first: number, absent: readonly SeqRange[], onFault: (fault: LineFault) => void, onLine?: OnLine) {
    this.#onLine = onLine;
    this.#absent = absent;
    this.#next = first;
    this.#onFault = onFault;
  }

  /** Checks the lines in `bytes` from `start` on; what follows the last newline is one too. `offset` is where `bytes` begin. */
  check(bytes: Buffer, offset: number, start = 0, last = Number.MAX_SAFE_INTEGER): void {
    for (let at = start; at < bytes.length; ) {
      const newline = bytes.indexOf(10, at);
      const end = newline === -1 ? bytes.length : newline;
      this.#line(bytes, at, end, offset + at, last);
      at = end + 1;
    }
  }

  /** Lines that could not even be unpacked come here: what is missing next was told of. */
  skipDamaged(): void {
    this.#damaged = true;
  }

  /** Sequences up to `last` that did not come are missing. */
  finish(last: number, offset: number): void {
    this.#skipAbsent();
    if (this.#next <= last) this.#missing(last, offset);
  }

  #line(bytes: Buffer, start: number, end: number, offset: number, last: number): void {
    if (checkLineCrc(bytes, start, end) !== 'good') {
      this.lines++;
      this.#damaged = true;
      this.#onFault({ kind: 'damaged', offset });
      return;
    }
    const isUsual = this.#view.read(bytes, start, end);
    const seq = isUsual ? this.#view.seq() : decodeLine(bytes, start, end).seq;
    // Written again into the next segment.
    if (seq > last) return;
    this.lines++;
    this.#skipAbsent();
    if (seq < this.#next) {
      this.#onFault({ kind: 'order', offset, first: seq, last: seq });
      return;
    }
    if (seq > this.#next) this.#missing(seq - 1, offset);
    this.#next = seq + 1;
    this.#damaged = false;
    if (isUsual) this.#onLine?.(this.#view, bytes, start, end);
  }

  #skipAbsent(): void {
    for (let range = this.#absent[this.#nextAbsent]; range && range.first <= this.#next; range = this.#absent[this.#nextAbsent]) {
      this.#next = Math.max(this.#next, range.last + 1);
      this.#nextAbsent++;
    }
  }

  /** Missing after a damaged line is what the damaged line was. */
  #missing(last: number, offset: number): void {
    if (!this.#damaged) this.#onFault({ kind: 'gap', offset, first: this.#next, last });
    this.#damaged = false;
  }
}
