import { HydrantError, systemCode } from '../../core/errors.ts';

export type DuckDb = typeof import('@duckdb/node-api');

/**
 * DuckDB, which whoever wants to query installs beside Hydrant.
 * @throws HYD_UNSUPPORTED with the command that installs it
 */
export async function loadDuckDb(): Promise<DuckDb> {
  try {
    return await import('@duckdb/node-api');
  } catch (cause) {
    const isAbsent = systemCode(cause) === 'ERR_MODULE_NOT_FOUND';
    throw new HydrantError(
      'HYD_UNSUPPORTED',
      isAbsent ? 'SQL needs DuckDB, which is not installed' : `DuckDB cannot be loaded: ${String(cause)}`,
      {
        cause,
        fix: 'Run `npm install @duckdb/node-api` in the folder where Hydrant is installed (`npm install -g @duckdb/node-api` when it was installed with -g).',
      },
    );
  }
}
