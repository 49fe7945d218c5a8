import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { ClientTable } from '../broker/client-table.ts';
import { HydrantError } from '../core/errors.ts';
import { parseMoment } from '../core/time-range.ts';
import type { HttpOptions } from './http-server.ts';
import { assertOperator } from './operator.ts';
import { readQuery } from './query.ts';

const PREFIX = '/clients/';
/** Clients described before others have their turn. */
const AT_ONCE = 200;
const MAX_HISTORY = 1000;

/** `GET /clients`, `GET /clients/{id}` and `DELETE /clients/{id}`: for operators only. */
export function addClients(app: FastifyInstance, options: HttpOptions): void {
  const { clients } = options;
  app.get('/clients', async ({ raw }, reply) => {
    await assertOperator(options, raw, 'list clients');
    const query = readQuery(raw.url!, ['connected']);
    const connected = readFlag('connected', query.get('connected'));
    return reply.type('application/x-ndjson').send(Readable.from(listLines(clients, connected)));
  });
  app.get(`${PREFIX}*`, async ({ raw }, reply) => {
    await assertOperator(options, raw, 'see clients');
    const query = readQuery(raw.url!, ['since', 'limit']);
    const sinceMs = parseMoment(query.get('since') ?? '24h', { nowMs: Date.now() });
    const limit = readLimit(query.get('limit') ?? '100');
    const id = readId(raw);
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const { total, last } = await clients.history(id, { sinceMs, limit, signal: gone.signal });
    const found = clients.find(id);
    if (!found && total === 0) throw unknownClient(id);
    return { ...(found ?? { client: id, connected: false }), history: last, historyTotal: total };
  });
  app.delete(`${PREFIX}*`, async ({ raw }) => {
    await assertOperator(options, raw, 'end the connections of clients');
    const forget = readFlag('forget', readQuery(raw.url!, ['forget']).get('forget'));
    const id = readId(raw);
    const ended = await clients.end(id, { forget });
    if (!ended) throw unknownClient(id);
    return { client: id, ...ended };
  });
}

async function* listLines(clients: ClientTable, connected: boolean): AsyncGenerator<string> {
  let lines: string[] = [];
  for (const client of clients.list()) {
    if (connected && !client.connected) continue;
    lines.push(`${JSON.stringify(client)}\n`);
    if (lines.length < AT_ONCE) continue;
    yield lines.join('');
    lines = [];
    await nextTurn();
  }
  if (lines.length > 0) yield lines.join('');
}

function readId({ url }: IncomingMessage): string {
  const path = url!.split('?', 1)[0]!.slice(PREFIX.length);
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new HydrantError('HYD_USAGE', `the client id ${JSON.stringify(path)} is not percent-encoded UTF-8`, { cause });
  }
}

function readFlag(name: string, text: string | null): boolean {
  if (text === 'true' || text === '') return true;
  if (text === 'false' || text === null) return false;
  throw new HydrantError('HYD_USAGE', `${name} ${JSON.stringify(text)} is not true or false`);
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit > MAX_HISTORY)
    throw new HydrantError('HYD_USAGE', `limit ${JSON.stringify(text)} is not a whole number up to ${MAX_HISTORY}`);
  return limit;
}

function unknownClient(id: string): HydrantError {
  return new HydrantError('HYD_NOT_FOUND', `there is no client ${JSON.stringify(id)}`, {
    fix: '`hydrant clients ls` lists those that are connected or have a session.',
  });
}
