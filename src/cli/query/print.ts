import type { DuckDBResult, DuckDBType, DuckDBValue } from '@duckdb/node-api';
import { escapeBytes, escapeText } from '../escape.ts';
import { type Io, write } from '../io.ts';
import { TableWriter } from '../table.ts';
import type { DuckDb } from './duckdb.ts';
import type { QueryFormat } from './formats.ts';
import type { QuerySession } from './session.ts';
import { createToJson, type Json, textOf } from './values.ts';

/** Prints the rows of a result as they come. */
export async function printResult(io: Io, format: QueryFormat, session: QuerySession, result: DuckDBResult, duck: DuckDb): Promise<void> {
  const names = result.deduplicatedColumnNames();
  const types = result.columnTypes();
  const toJson = createToJson(duck);
  const output = OUTPUTS[format](io, names, types, duck);
  await output.begin?.();
  const values = result.yieldConvertedRows<DuckDBValue>((value) => value);
  for await (const rows of session.rows(values)) {
    for (const row of rows) {
      await output.row(
        types.map((type, i) => toJson(row[i], type)),
        types.map((_, i) => row[i] ?? null),
      );
    }
  }
  await output.end?.();
}

interface Output {
  begin?(): Promise<void>;
  row(row: Json[], values: DuckDBValue[]): Promise<void>;
  end?(): Promise<void>;
}

type OpenOutput = (io: Io, names: string[], types: DuckDBType[], duck: DuckDb) => Output;

const OUTPUTS: Record<QueryFormat, OpenOutput> = {
  table(io, names, types, duck) {
    const columns = names.map((name, i) => ({ title: escapeText(name), right: isNumber(types[i]!, duck) }));
    const table = new TableWriter(io, columns);
    let count = 0;
    return {
      row(row, values) {
        count++;
        return table.row(row.map((cell, i) => tableCell(cell, values[i], duck)));
      },
      async end() {
        await table.flush();
        if (count === 0) await write(io.stdout, `${columns.map(({ title }) => title).join('  ')}\n`, io.signal);
      },
    };
  },
  csv(io, names) {
    const line = (cells: string[]): Promise<void> => {
      const text = `${cells.map(quoted).join(',')}\r\n`;
      return write(io.stdout, io.stdout.isTTY ? escapeText(text, { lines: true }) : text, io.signal);
    };
    return { begin: () => line(names), row: (row) => line(row.map((cell) => (cell === null ? '' : textOf(cell)))) };
  },
  ndjson: (io, names) => ({ row: (row) => write(io.stdout, `${JSON.stringify(recordOf(names, row))}\n`, io.signal) }),
  json(io, names) {
    let lead = '[\n';
    return {
      async row(row) {
        await write(io.stdout, lead + JSON.stringify(recordOf(names, row)), io.signal);
        lead = ',\n';
      },
      end: () => write(io.stdout, lead === ',\n' ? '\n]\n' : '[]\n', io.signal),
    };
  },
};

function recordOf(names: string[], row: Json[]): Record<string, Json> {
  return Object.fromEntries(names.map((name, i) => [name, row[i]!]));
}

/** Bytes are shown as text where they are text. */
function tableCell(cell: Json, value: DuckDBValue | undefined, duck: DuckDb): string {
  if (cell === null) return 'NULL';
  return value instanceof duck.DuckDBBlobValue ? escapeBytes(value.bytes) : escapeText(textOf(cell));
}

function isNumber({ typeId }: DuckDBType, { DuckDBTypeId: Id }: DuckDb): boolean {
  const whole = [
    Id.TINYINT,
    Id.SMALLINT,
    Id.INTEGER,
    Id.BIGINT,
    Id.HUGEINT,
    Id.UTINYINT,
    Id.USMALLINT,
    Id.UINTEGER,
    Id.UBIGINT,
    Id.UHUGEINT,
  ];
  return [...whole, Id.FLOAT, Id.DOUBLE, Id.DECIMAL].includes(typeId);
}

/** RFC 4180. */
function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
