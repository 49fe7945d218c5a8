import { HydrantError } from '../core/errors.ts';
import { escapeText } from './escape.ts';
import type { Io } from './io.ts';
import { write } from './io.ts';
import type { Format } from './options.ts';
import { type Column, TableWriter } from './table.ts';

/** A column of a listing: the key in the record, and how the table shows it. */
export interface RowColumn<Row> extends Column {
  /** Text for the table; control characters are escaped after it. */
  text(row: Row): string;
}

/** `-o` as given, else a table on a terminal and NDJSON in a pipe. */
export function chosenFormat(io: Io, given: Format | undefined): Format {
  return given ?? (io.stdout.isTTY ? 'table' : 'ndjson');
}

/** Prints a listing: NDJSON and JSON show the records as they are, the table their columns. */
export async function printRows<Row extends object>(
  io: Io,
  format: Format,
  columns: RowColumn<Row>[],
  rows: Iterable<Row> | AsyncIterable<Row>,
): Promise<void> {
  if (format === 'json') {
    const all: Row[] = [];
    for await (const row of rows) all.push(row);
    return write(io.stdout, `${JSON.stringify(all, undefined, 2)}\n`, io.signal);
  }
  await createRowPrinter(io, format, columns)(rows);
}

/**
 * Prints a listing, then again and again what of it is new or has changed. Ends with what `poll` throws.
 * @throws HYD_USAGE for JSON, which would never end
 */
export async function followRows<Row extends object>(
  io: Io,
  format: Format,
  columns: RowColumn<Row>[],
  source: {
    list(): AsyncIterable<Row> | Promise<Iterable<Row>>;
    nameOf(row: Row): string;
    poll(): Promise<void>;
  },
): Promise<never> {
  if (format === 'json') throw new HydrantError('HYD_USAGE', '-o json is one array, and --follow never ends', { fix: 'Use -o ndjson.' });
  const print = createRowPrinter(io, format, columns);
  const shown = new Map<string, string>();
  const isNew = (row: Row): boolean => {
    const [name, text] = [source.nameOf(row), JSON.stringify(row)];
    if (shown.get(name) === text) return false;
    shown.set(name, text);
    return true;
  };
  for (;;) {
    const changed: Row[] = [];
    for await (const row of await source.list()) if (isNew(row)) changed.push(row);
    await print(changed);
    await source.poll();
  }
}

/** Prints a listing piece by piece, each at once. */
function createRowPrinter<Row extends object>(
  io: Io,
  format: Exclude<Format, 'json'>,
  columns: RowColumn<Row>[],
): (rows: Iterable<Row> | AsyncIterable<Row>) => Promise<void> {
  const table = format === 'table' ? new TableWriter(io, columns) : undefined;
  return async (rows) => {
    for await (const row of rows) {
      if (table) await table.row(columns.map((column) => escapeText(column.text(row))));
      else await write(io.stdout, `${JSON.stringify(row)}\n`, io.signal);
    }
    await table?.flush();
  };
}
