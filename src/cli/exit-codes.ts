import type { ErrorCode } from '../core/errors.ts';
import { HydrantError, systemCode } from '../core/errors.ts';

/** What the process says at its end. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** Done, but something was left out or found damaged; stderr says what. */
  partial: 3,
  /** No connection, or the server refused this account. */
  connect: 4,
  timeout: 5,
  interrupted: 130,
} as const;

/** Every code that is not here exits with 1. */
const BY_CODE: Partial<Record<ErrorCode, number>> = {
  HYD_USAGE: EXIT.usage,
  HYD_CONFIG: EXIT.usage,
  HYD_TOPIC: EXIT.usage,
  HYD_FILTER: EXIT.usage,
  HYD_EXPRESSION: EXIT.usage,
  HYD_SQL: EXIT.usage,
  HYD_CONNECT: EXIT.connect,
  HYD_REFUSED: EXIT.connect,
  HYD_TAKEN_OVER: EXIT.connect,
  HYD_LOGIN: EXIT.connect,
  HYD_TIMEOUT: EXIT.timeout,
  HYD_ABORTED: EXIT.interrupted,
};

/** The exit code for whatever a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof HydrantError) return BY_CODE[error.code] ?? EXIT.failed;
  if (systemCode(error) === 'ABORT_ERR') return EXIT.interrupted;
  return EXIT.failed;
}
