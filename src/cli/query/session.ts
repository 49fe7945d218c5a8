import { join } from 'node:path';
import type { DuckDBConnection, DuckDBResult } from '@duckdb/node-api';
import type { QueryFiles } from '../../archive/read/query-files.ts';
import { errorText, HydrantError } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import type { TimeRange } from '../../core/time-range.ts';
import type { DuckDb } from './duckdb.ts';
import { quote, setUpStatements } from './views.ts';

export interface SessionOptions {
  files: QueryFiles;
  range: TimeRange;
  filters: readonly string[];
  /** The files are below it, and what does not fit into memory is put there. */
  folder: string;
  maxMemoryBytes: number;
  threads?: number;
  signal: AbortSignal;
}

/** DuckDB with the view `events` and nothing else: no other file, no network, no change of settings, nothing that writes. */
export class QuerySession implements Disposable {
  readonly #duck: DuckDb;
  readonly #connection: DuckDBConnection;
  readonly #signal: AbortSignal;
  readonly #interrupt = (): void => this.#connection.interrupt();

  private constructor(duck: DuckDb, connection: DuckDBConnection, signal: AbortSignal) {
    this.#duck = duck;
    this.#connection = connection;
    this.#signal = signal;
    signal.addEventListener('abort', this.#interrupt);
  }

  static async open(duck: DuckDb, options: SessionOptions): Promise<QuerySession> {
    const { files, range, filters, folder, maxMemoryBytes, threads, signal } = options;
    const spill = join(folder, 'spill');
    await makeFolder(spill);
    const instance = await duck.DuckDBInstance.create(':memory:', {
      memory_limit: `${Math.ceil(maxMemoryBytes / 1024)}KiB`,
      temp_directory: spill,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      ...(threads !== undefined && { threads: String(threads) }),
    });
    const session = new QuerySession(duck, await instance.connect(), signal);
    const lock = [
      `SET allowed_directories = [${quote(`${folder}/`)}]`,
      'SET enable_external_access = false',
      'SET lock_configuration = true',
    ];
    for (const sql of ["SET TimeZone = 'UTC'", ...setUpStatements(files, range, filters), ...lock]) await session.#connection.run(sql);
    return session;
  }

  /**
   * Runs one statement that reads, and gives its rows as they come.
   * @throws HYD_SQL with what DuckDB says
   */
  async run(sql: string): Promise<DuckDBResult> {
    return await this.#asked(async () => {
      const statements = await this.#connection.extractStatements(sql);
      if (statements.count !== 1) throw fault(`there are ${statements.count} statements, not one`);
      const statement = await statements.prepare(0);
      const { StatementType } = this.#duck;
      const reading = [StatementType.SELECT, StatementType.EXPLAIN, StatementType.RELATION];
      if (!reading.includes(statement.statementType)) {
        throw fault(`${StatementType[statement.statementType]} is not a statement that reads`);
      }
      return await statement.stream();
    });
  }

  /** Gives what `rows` gives. @throws HYD_SQL with what DuckDB says */
  async *rows<Row>(rows: AsyncIterable<Row[]>): AsyncGenerator<Row[]> {
    const iterator = rows[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#asked(() => iterator.next());
      if (next.done) return;
      yield next.value;
    }
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      throw error instanceof HydrantError ? error : fault(errorText(error).replace(/^Failed to extract statements: /, ''), error);
    }
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#interrupt);
    this.#connection.closeSync();
  }
}

function fault(message: string, cause?: unknown): HydrantError {
  const isMemory = message.startsWith('Out of Memory Error');
  return new HydrantError('HYD_SQL', message.trimEnd(), {
    cause,
    ...(isMemory && { fix: 'Allow more with --memory, use fewer --threads, or ask for less at a time (--since, --until, --filter).' }),
  });
}
