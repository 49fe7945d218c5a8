import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import type { Failure } from './messages.ts';

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
const SQLITE_READONLY = 8;
const SQLITE_CANTOPEN = 14;
const FORBIDDEN: readonly string[] = ['EACCES', 'EPERM', 'EROFS', 'EISDIR'];

export function asFailure(error: unknown): Failure {
  const number = (error as { errcode?: unknown }).errcode;
  return {
    message: errorText(error),
    // The low byte says what; the rest, where.
    sqlite: typeof number === 'number' ? number & 0xff : undefined,
    ...(error instanceof HydrantError ? { code: error.code, fix: error.fix } : { system: systemCode(error) }),
  };
}

export function isDamage({ sqlite }: Failure): boolean {
  return sqlite === SQLITE_CORRUPT || sqlite === SQLITE_NOTADB;
}

/** SQLite says no more than that it cannot open a file which it may not, or which is a folder. */
function isForbidden({ sqlite, system = '' }: Failure): boolean {
  return FORBIDDEN.includes(system) || sqlite === SQLITE_READONLY || sqlite === SQLITE_CANTOPEN;
}

function userText(): string {
  const user = process.geteuid?.();
  return user === undefined ? '' : ` (user ${user})`;
}

/** What a caller is told. */
export function outboxError(path: string, doing: string, failure: Failure): HydrantError {
  if (failure.code !== undefined && failure.code !== 'HYD_OUTBOX')
    return new HydrantError(failure.code, failure.message, { fix: failure.fix });
  if (doing === 'opened' && isForbidden(failure))
    return new HydrantError('HYD_OUTBOX', `the outbox ${path} cannot be ${doing}: ${failure.message}`, {
      retryable: false,
      fix: `Let the account of this process${userText()} read and write the folder and the files in it, or give a folder of its own.`,
    });
  if (!isDamage(failure)) return new HydrantError('HYD_OUTBOX', `the outbox ${path} cannot be ${doing}: ${failure.message}`);
  return new HydrantError('HYD_OUTBOX', `the outbox ${path} is damaged: ${failure.message}; nothing of it was changed`, {
    retryable: false,
    fix: 'Move it aside and go on with a new one; what is whole in it `sqlite3 outbox.db .recover` prints.',
  });
}

export function closedError(path: string): HydrantError {
  return new HydrantError('HYD_CLOSED', `the outbox ${path} is closed`);
}

export function abortError(signal: AbortSignal): HydrantError {
  return new HydrantError('HYD_ABORTED', 'the caller stopped waiting for the outbox', { cause: signal.reason });
}
