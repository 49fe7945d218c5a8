import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';

/** Statements of a database, each prepared once. Rows come as arrays. */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  of(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      statement.setReturnArrays(true);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  row(sql: string, ...values: SQLInputValue[]): SQLOutputValue[] | undefined {
    return this.of(sql).get(...values) as unknown as SQLOutputValue[] | undefined;
  }

  rows(sql: string, ...values: SQLInputValue[]): Iterable<SQLOutputValue[]> {
    return this.of(sql).iterate(...values) as Iterable<unknown> as Iterable<SQLOutputValue[]>;
  }
}
