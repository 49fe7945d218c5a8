import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, errorText, HydrantError } from '../../core/errors.ts';

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body: object;
}

/** Seconds after which a sender may try again what there was no room for. */
const RETRY_AFTER = '30';

const STATUS: Partial<Record<ErrorCode, number>> = {
  HYD_USAGE: 400,
  HYD_LOGIN: 401,
  HYD_REFUSED: 403,
  HYD_NOT_FOUND: 404,
  HYD_TOO_LARGE: 413,
  HYD_UNSUPPORTED: 415,
  HYD_TOPIC: 422,
  HYD_SCHEMA: 422,
  HYD_BUSY: 503,
  HYD_CLOSED: 503,
  HYD_OUTBOX: 503,
  HYD_OUTBOX_FULL: 503,
};

/** What the sender is told of an error. Nothing of this machine is in it. */
export function errorAnswer(error: unknown): Answer {
  const known = error instanceof HydrantError ? error : new HydrantError('HYD_INTERNAL', errorText(error), { cause: error });
  const status = STATUS[known.code] ?? 500;
  const headers: Record<string, string> = {
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(status === 415 && { 'accept-encoding': 'identity' }),
    ...(status === 503 && { 'retry-after': RETRY_AFTER }),
  };
  const message = status < 500 ? known.message : status === 503 ? 'it cannot be stored now' : 'it could not be taken';
  return { status, headers, body: { error: { code: known.code, message, ...(status < 500 && { fix: known.fix }) } } };
}

/** Writes it. What is left of a body is read and dropped: a connection that is closed over it would take the answer with it. */
export function sendAnswer(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed) return;
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : text);
  request.resume();
}
