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
  if (format === 'table') {
    const table = new TableWriter(io, columns);
    for await (const row of rows) await table.row(columns.map((column) => escapeText(column.text(row))));
    return table.flush();
  }
  if (format === 'json') {
    const all: Row[] = [];
    for await (const row of rows) all.push(row);
    return write(io.stdout, `${JSON.stringify(all, undefined, 2)}\n`, io.signal);
  }
  for await (const row of rows) await write(io.stdout, `${JSON.stringify(row)}\n`, io.signal);
}
