import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { crashPoint } from './crash-point.ts';
import { errorText } from './errors.ts';
import { releaseStartUpMemory } from './start-up.ts';

export type SqlValue = SQLInputValue;
export type Row = Record<string, SqlValue>;

export type StateRequest =
  | { kind: 'commit'; writes: [sql: string, ...values: SqlValue[]][] }
  | { kind: 'all'; sql: string; values: SqlValue[] }
  | { kind: 'close' };

export type StateReply = { ok: true; rows?: Row[] } | { ok: false; message: string };

const { path, steps, reserveBytes } = workerData as { path: string; steps: readonly string[]; reserveBytes: number };
const reserve = `${path}.reserve`;
const db = new DatabaseSync(path);
db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=1000; PRAGMA busy_timeout=5000;');
takeSteps();
const statements = new Map<string, StatementSync>();
keepReserve();

/** Each step in one transaction with the number that says it is taken. */
function takeSteps(): void {
  const taken = Number(db.prepare('PRAGMA user_version').get()!.user_version);
  if (taken > steps.length) throw new Error(`${path} was written by a newer version of Hydrant`);
  for (let at = taken; at < steps.length; at++) db.exec(`BEGIN IMMEDIATE; ${steps[at]}; PRAGMA user_version = ${at + 1}; COMMIT;`);
}

function prepare(sql: string): StatementSync {
  let statement = statements.get(sql);
  if (!statement) {
    statement = db.prepare(sql);
    statements.set(sql, statement);
  }
  return statement;
}

function commit(writes: [string, ...SqlValue[]][]): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const [sql, ...values] of writes) prepare(sql).run(...values);
    crashPoint('state.before-commit');
    db.exec('COMMIT');
    crashPoint('state.after-commit');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    // Space kept back for this moment: what is acknowledged elsewhere must still be noted on a full disk.
    rmSync(reserve, { force: true });
    throw error;
  }
}

function keepReserve(): void {
  if (existsSync(reserve)) return;
  try {
    writeFileSync(reserve, Buffer.alloc(reserveBytes), { mode: 0o600 });
  } catch {
    rmSync(reserve, { force: true });
  }
}

parentPort!.on('message', (request: StateRequest) => {
  let reply: StateReply = { ok: true };
  try {
    if (request.kind === 'commit') commit(request.writes);
    else if (request.kind === 'all') reply = { ok: true, rows: prepare(request.sql).all(...request.values) as Row[] };
    else db.close();
  } catch (error) {
    reply = { ok: false, message: errorText(error) };
  }
  parentPort!.postMessage(reply);
  if (request.kind === 'close') parentPort!.close();
});
releaseStartUpMemory();
