import { type ErrorCode, errorText, HydrantError } from '../core/errors.ts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  HYD_USAGE: 400,
  HYD_TOPIC: 400,
  HYD_FILTER: 400,
  HYD_LOGIN: 401,
  HYD_REFUSED: 403,
  HYD_NOT_FOUND: 404,
  HYD_TOO_LARGE: 413,
  HYD_SLOWED: 429,
  HYD_UNSUPPORTED: 501,
  HYD_JOURNAL_FULL: 503,
  HYD_JOURNAL_FAILED: 503,
  HYD_BUSY: 503,
  HYD_OUTBOX: 503,
  HYD_CLOSED: 503,
  HYD_TIMEOUT: 503,
  HYD_OUTBOX_FULL: 507,
};

const RETRY_AFTER = { 'retry-after': '5' };

const HEADERS: Record<number, Record<string, string>> = {
  401: { 'www-authenticate': 'Basic realm="hydrant", charset="UTF-8", Bearer realm="hydrant"' },
  429: RETRY_AFTER,
  503: RETRY_AFTER,
  507: RETRY_AFTER,
};

export interface ErrorReply {
  status: number;
  headers: Record<string, string>;
  body: { error: { code: ErrorCode; message: string; fix: string } };
}

/** How an error is answered over HTTP: its code, what happened, what to do; `Retry-After` where trying again can help. */
export function errorReply(error: unknown): ErrorReply {
  const known = toHydrantError(error);
  const status = STATUS[known.code] ?? 500;
  return {
    status,
    headers: HEADERS[status] ?? {},
    body: { error: { code: known.code, message: known.message, fix: known.fix } },
  };
}

function toHydrantError(error: unknown): HydrantError {
  if (error instanceof HydrantError) return error;
  const status = (error as { statusCode?: unknown }).statusCode;
  if (status === 413) return new HydrantError('HYD_TOO_LARGE', 'the body is larger than limits.packetBytes', { cause: error });
  if (typeof status === 'number' && status >= 400 && status < 500) return new HydrantError('HYD_USAGE', errorText(error), { cause: error });
  return new HydrantError('HYD_INTERNAL', errorText(error), { cause: error });
}
