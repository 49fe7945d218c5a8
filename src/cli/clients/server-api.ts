import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { resolveDataDir } from '../../app/data-dir.ts';
import { folderHolder } from '../../app/folder-lock.ts';
import { readOperatorToken } from '../../app/operator-token.ts';
import { ERRORS, type ErrorCode, errorText, HydrantError } from '../../core/errors.ts';
import { tlsFix } from '../../mqtt/tls-fix.ts';
import { passwordFromEnv } from '../connection-options.ts';
import type { Io } from '../io.ts';
import { readTlsOptions, type TlsFiles } from '../tls-options.ts';
import type { OperatorOptions } from './operator-options.ts';

/** The HTTP side of a running server. */
export interface ServerApi {
  /** @throws what the server answers; HYD_CONNECT when it cannot be reached */
  json(method: 'GET' | 'DELETE', path: string): Promise<unknown>;
  /** Each line of an NDJSON answer. @throws as `json` */
  lines(path: string): AsyncGenerator<unknown>;
}

/**
 * The server of a data folder, by the token that lies there; with `--http` any other, as an account.
 * @throws HYD_CONNECT when no server runs on the folder, or none that speaks HTTP; HYD_REFUSED, HYD_USAGE
 */
export function openServerApi(options: OperatorOptions, io: Io): ServerApi {
  const tls = readTlsOptions(options);
  const { url, token } = options.http === undefined ? localServer(options, io) : { url: readUrl(options.http), token: undefined };
  const account = readAccount(options, io);
  if (!account && token === undefined)
    throw new HydrantError('HYD_USAGE', `${url.href} wants to know who you are`, {
      fix: 'Give -u NAME, and the password in HYDRANT_PASSWORD.',
    });
  const authorization = account ?? `Bearer ${token}`;
  const ask = (method: string, path: string): Promise<IncomingMessage> =>
    send(new URL(path, url), { method, authorization, tls, signal: io.signal });
  return {
    json: async (method, path) => JSON.parse(await text(await ask(method, path))) as unknown,
    async *lines(path) {
      const response = await ask('GET', path);
      for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) yield JSON.parse(line) as unknown;
      if (!response.complete) throw new HydrantError('HYD_CONNECT', `the answer of ${url.href} ended too early`);
    },
  };
}

function localServer({ data }: OperatorOptions, io: Io): { url: URL; token: string } {
  const dataDir = resolveDataDir(data, io.env);
  const holder = folderHolder(dataDir);
  if (!holder)
    throw new HydrantError('HYD_CONNECT', `no server runs on ${dataDir}`, {
      fix: 'Give the folder of a running server with --data, or --http URL of one that runs elsewhere.',
    });
  const { http, https } = holder.listeners ?? {};
  const listener = http ?? https;
  if (listener === undefined)
    throw new HydrantError('HYD_CONNECT', `the server on ${dataDir} has no HTTP listener`, { fix: 'Set listeners.http.enabled: true.' });
  return { url: new URL(listener), token: readOperatorToken(dataDir) };
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new HydrantError('HYD_USAGE', `${JSON.stringify(text)} is not the URL of a server`, {
      fix: 'Give http://HOST:PORT or https://.',
    });
  return url;
}

/** Undefined when there is none. */
function readAccount({ username, pw, http }: OperatorOptions, { env }: Io): string | undefined {
  const user = username ?? (http === undefined ? undefined : env.HYDRANT_USER);
  return user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${pw ?? passwordFromEnv(env) ?? ''}`).toString('base64')}`;
}

async function send(
  url: URL,
  options: { method: string; authorization: string; tls: TlsFiles | undefined; signal: AbortSignal },
): Promise<IncomingMessage> {
  const { method, authorization, tls, signal } = options;
  const response = Promise.withResolvers<IncomingMessage>();
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  request(url, { ...tls, method, headers: { authorization }, agent: false, signal }, response.resolve)
    .on('error', (cause) => response.reject(unreachable(url, signal, cause)))
    .end();
  const answer = await response.promise;
  if (answer.statusCode === 200) return answer;
  throw readError(answer.statusCode, await text(answer));
}

function unreachable(url: URL, signal: AbortSignal, cause: Error): unknown {
  return signal.aborted
    ? signal.reason
    : new HydrantError('HYD_CONNECT', `${url.origin}: ${errorText(cause)}`, { cause, fix: tlsFix(cause) });
}

/** The server's own error; a proxy's has another form. */
function readError(status: number | undefined, body: string): HydrantError {
  try {
    const { code, message, fix } = (JSON.parse(body) as { error: { code: ErrorCode; message: string; fix: string } }).error;
    if (code in ERRORS) return new HydrantError(code, message, { fix });
  } catch {
    // Told below.
  }
  return new HydrantError('HYD_PROTOCOL', `the server answered ${status}: ${body.slice(0, 200)}`);
}
