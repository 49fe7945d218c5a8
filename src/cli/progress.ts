import { formatDuration, formatSize } from '../core/units.ts';
import type { Io, Stream } from './io.ts';

const WIDTH = 24;
const EVERY_MS = 100;

/**
 * A bar with rate and time left, on stderr and only when that is a terminal. Call `update` as often as you like:
 * it draws ten times a second.
 */
export class Progress {
  readonly #stream: Stream;
  readonly #label: string;
  readonly #unit: string;
  readonly #startMs: number;
  readonly #now: () => number;
  readonly #live: boolean;
  #drawnMs = 0;
  #shown = false;

  /** @param unit what is counted, for the rate: `events`; `B` shows sizes */
  constructor(io: Pick<Io, 'stderr'>, label: string, unit: string, now: () => number = () => performance.now()) {
    this.#stream = io.stderr;
    this.#live = io.stderr.isTTY === true;
    this.#label = label;
    this.#unit = unit;
    this.#now = now;
    this.#startMs = now();
  }

  /** @param total undefined when nobody knows: then no bar and no time left */
  update(done: number, total?: number): void {
    if (!this.#live) return;
    const nowMs = this.#now();
    if (this.#shown && nowMs - this.#drawnMs < EVERY_MS) return;
    this.#drawnMs = nowMs;
    this.#shown = true;
    const columns = this.#stream.columns || 80;
    this.#stream.write(`\r\x1b[K${this.#line(done, total, nowMs - this.#startMs).slice(0, columns - 1)}`);
  }

  /** Takes the bar away, before other output and at the end. */
  clear(): void {
    if (this.#shown) this.#stream.write('\r\x1b[K');
    this.#shown = false;
  }

  #line(done: number, total: number | undefined, elapsedMs: number): string {
    const perSecond = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
    const amount = (count: number): string => (this.#unit === 'B' ? formatSize(count) : formatCount(count));
    const rate = `${amount(Math.round(perSecond))}${this.#unit === 'B' ? '' : ` ${this.#unit}`}/s`;
    if (total === undefined || total <= 0) return `${this.#label} ${amount(done)}  ${rate}`;
    const part = Math.min(1, done / total);
    const full = Math.round(part * WIDTH);
    const bar = `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)}`;
    const eta = done > 0 && perSecond > 0 ? `  ETA ${formatDuration(Math.ceil((total - done) / perSecond) * 1000)}` : '';
    return `${this.#label} ${bar} ${(part * 100).toFixed(0).padStart(3)}%  ${amount(done)}/${amount(total)}  ${rate}${eta}`;
  }
}

/** `1234567` → `1 234 567`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}
