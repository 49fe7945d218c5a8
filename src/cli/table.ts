import { cutText, textWidth } from './escape.ts';
import type { Io } from './io.ts';
import { write } from './io.ts';
import { paint } from './style.ts';

export interface Column {
  title: string;
  /** Numbers stand right. */
  right?: boolean;
}

const SAMPLE_ROWS = 200;

/**
 * A table on a terminal. Column widths come from the first 200 rows, later rows keep them. A line is cut at the
 * terminal's width; in a pipe it is not. Cells must be free of control characters (`escapeText`).
 */
export class TableWriter {
  readonly #io: Io;
  readonly #columns: Column[];
  readonly #lineWidth: number;
  #waiting: string[][] = [];
  #widths: number[] | undefined;

  constructor(io: Io, columns: Column[]) {
    this.#io = io;
    this.#columns = columns;
    // Some terminals say 0: they do not know.
    this.#lineWidth = io.stdout.columns || Number(io.env.COLUMNS) || Number.POSITIVE_INFINITY;
  }

  async row(cells: string[]): Promise<void> {
    if (this.#widths) return write(this.#io.stdout, this.#line(cells, this.#widths), this.#io.signal);
    this.#waiting.push(cells);
    if (this.#waiting.length === SAMPLE_ROWS) await this.flush();
  }

  /** Writes what waits, the titles first. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const first = this.#widths === undefined;
    this.#widths ??= this.#columns.map((column, i) =>
      Math.max(textWidth(column.title), ...this.#waiting.map((cells) => textWidth(cells[i] ?? ''))),
    );
    let text = '';
    if (first)
      text += paint(
        this.#io.stdout,
        this.#io.env,
        'bold',
        this.#line(
          this.#columns.map((column) => column.title),
          this.#widths,
        ).trimEnd(),
      );
    if (first) text += '\n';
    for (const cells of this.#waiting) text += this.#line(cells, this.#widths);
    this.#waiting = [];
    await write(this.#io.stdout, text, this.#io.signal);
  }

  #line(cells: string[], widths: number[]): string {
    let line = '';
    for (let i = 0; i < this.#columns.length; i++) {
      const cell = cells[i] ?? '';
      const gap = ' '.repeat(Math.max(0, widths[i]! - textWidth(cell)));
      line += this.#columns[i]!.right ? gap + cell : i === this.#columns.length - 1 ? cell : cell + gap;
      if (i < this.#columns.length - 1) line += '  ';
    }
    return `${cutText(line.trimEnd(), this.#lineWidth)}\n`;
  }
}
