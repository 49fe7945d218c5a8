import { decodeGap, GAP_TOPIC, type GapRecord } from '../../wire/gap.ts';
import { decodeLine } from '../../wire/line.ts';
import type { LineView } from '../line-view.ts';
import type { VerifyReport } from './verify-report.ts';

/** Ids that are remembered at least, of those that came last. */
const REMEMBERED = 500_000;

/** Notes what lines say that is no fault of the archive: gaps of the broker, and ids that a publisher used twice. */
export class VerifyNotes {
  readonly #report: VerifyReport;
  #young = new Map<number, number>();
  #old = new Map<number, number>();

  constructor(report: VerifyReport) {
    this.#report = report;
  }

  /** Looks at one good line of `name`. */
  look(view: LineView, bytes: Buffer, start: number, end: number, name: string): void {
    if (view.isInternal && view.topic() === GAP_TOPIC) this.#gap(bytes, start, end, name);
    if (view.hasId()) this.#id(bytes, start, end, name);
  }

  #gap(bytes: Buffer, start: number, end: number, name: string): void {
    const event = decodeLine(bytes, start, end);
    const gap = decodeGap(event);
    if (gap && this.#isNew(`gap ${event.ts} ${JSON.stringify(gap)}`, event.seq) !== 'same') {
      const day = event.ts.slice(0, 10);
      this.#report.note('broker-gap', day, name, gapText(gap), event.seq);
    }
  }

  #id(bytes: Buffer, start: number, end: number, name: string): void {
    const { id, source, seq, ts } = decodeLine(bytes, start, end);
    const text = JSON.stringify([source, id]);
    if (this.#isNew(text, seq) !== 'other' || this.#isNew(`${text} ${seq}`, seq) === 'same') return;
    this.#report.note('repeated-id', ts.slice(0, 10), name, `${source ?? 'its publisher'} had used the id ${id} before`, seq);
  }

  /** `same`: an event that is in a segment and in its object is one event. */
  #isNew(text: string, seq: number): 'new' | 'same' | 'other' {
    const key = hash53(text);
    const before = this.#young.get(key) ?? this.#old.get(key);
    if (before !== undefined) return before === seq ? 'same' : 'other';
    if (this.#young.size >= REMEMBERED) [this.#old, this.#young] = [this.#young, new Map()];
    this.#young.set(key, seq);
    return 'new';
  }
}

function gapText({ reason, broker, from, until }: GapRecord): string {
  return `${broker} may have dropped events between ${from} and ${until} (${reason})`;
}

/** Two passes of FNV-1a, as many bits of them as a number holds exactly. */
function hash53(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x12345678;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 13);
  }
  return (a >>> 0) * 0x200000 + (b >>> 11);
}
