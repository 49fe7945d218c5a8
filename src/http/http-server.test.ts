import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, get, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { WebSocket } from 'ws';
import { openAccess } from '../access/access.ts';
import type { ClientTable } from '../broker/client-table.ts';
import type { Bus, Delivery, Receipt, SubscribeOptions, Subscription } from '../bus/bus.ts';
import { HydrantError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { within } from '../testing/deadline.ts';
import type { Event, StoredEvent } from '../wire/event.ts';
import { decodeLine } from '../wire/line.ts';
import { type HttpServer, openHttpServer } from './http-server.ts';

/** A bus in the hands of the test: what is published is noted, subscribers get what the test gives. */
class TestBus implements Bus {
  readonly capabilities = {
    nakDelay: true,
    startAt: true,
    outOfOrderAck: true,
    group: true,
    handOver: true,
    properties: true,
    exactlyOnce: true,
  };
  readonly published: Event[] = [];
  readonly asked: { filters: string[]; options: SubscribeOptions | undefined }[] = [];
  failWith: Error | undefined;
  #batches: Delivery[][] = [];
  #wake = Promise.withResolvers<void>();
  #ended = false;
  acked = 0;
  closed = 0;

  async publish(event: Event): Promise<Receipt> {
    if (this.failWith) throw this.failWith;
    const seq = this.published.push(event);
    return { id: event.id ?? `j-e-${seq}`, seq };
  }

  async subscribe(filters: string[], options?: SubscribeOptions): Promise<Subscription> {
    if (this.failWith) throw this.failWith;
    this.asked.push({ filters, options });
    const bus = this;
    const close = async (): Promise<void> => {
      if (!this.#ended) this.closed++;
      this.#ended = true;
      this.#wake.resolve();
    };
    return {
      close,
      [Symbol.asyncDispose]: close,
      async *[Symbol.asyncIterator]() {
        for (;;) {
          while (bus.#batches.length > 0) yield bus.#batches.shift()!;
          if (bus.#ended) return;
          await bus.#wake.promise;
          bus.#wake = Promise.withResolvers();
        }
      },
    };
  }

  give(...events: StoredEvent[]): void {
    this.#batches.push(events.map((event) => ({ event, redelivered: false, ack: () => void this.acked++, nak() {} })));
    this.#wake.resolve();
  }

  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

function stored(seq: number, payload: Uint8Array = Buffer.from(`payload ${seq}`)): StoredEvent {
  return { topic: `a/${seq}`, payload, qos: 1, retain: false, seq, ts: `2026-11-21T10:00:00.00000000${seq % 10}Z` };
}

let bus: TestBus;
let http: HttpServer;
let server: Server;
let port: number;
let reasons: string[] = [];
const sockets: WebSocket[] = [];

beforeEach(async () => {
  bus = new TestBus();
  reasons = [];
  http = await openHttpServer({
    bus,
    access: openAccess(),
    clients: {} as ClientTable,
    operatorToken: 'secret',
    origins: () => ['https://ops.example'],
    onRefused: () => {},
    acceptWebSocket: (socket) => void sockets.push(socket),
    readiness: async () => reasons,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'hydrant_up 1\n' }),
    maxBodyBytes: 1000,
    stallMs: 300,
    log: silentLog,
  });
  server = http.createDoor({ loopbackOnly: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await http.close({ deadlineMs: 100 });
});

const url = (path: string) => `http://127.0.0.1:${port}${path}`;
const post = (path: string, body: string | Uint8Array<ArrayBuffer> = 'x', headers: Record<string, string> = {}) =>
  fetch(url(path), { method: 'POST', body, headers });

/** The error of an answer, with its status. */
async function fault(response: Response): Promise<{ status: number; code: string; message: string; fix: string }> {
  const { error } = (await response.json()) as { error: { code: string; message: string; fix: string } };
  return { status: response.status, ...error };
}

/** Opens a stream by hand, so that the test decides when to read. */
async function open(path: string, headers: Record<string, string> = {}): Promise<{ response: IncomingMessage; request: ClientRequest }> {
  const asked = get(url(path), { headers });
  const [response] = (await within(once(asked, 'response'), 10_000, 'the head of the answer')) as [IncomingMessage];
  asked.on('error', () => {});
  response.on('error', () => {});
  return { response, request: asked };
}

/** Reads text until it contains what is wanted. */
async function until(response: IncomingMessage, wanted: string): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  const look = async (): Promise<string> => {
    for await (const chunk of response.iterator({ destroyOnReturn: false })) {
      text += chunk;
      if (text.includes(wanted)) return text;
    }
    throw new Error(`the stream ended before ${wanted}: ${text}`);
  };
  return within(look(), 10_000, () => `${wanted} in ${text}`);
}

test('a publish is answered with id, sequence and topic after the bus took it, whatever its content type', async () => {
  const bytes = Buffer.from([0, 1, 255, 10, 13]);
  const response = await post('/t/a/b%20c?qos=2', bytes, { 'content-type': 'application/x-own' });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { id: 'j-e-1', seq: 1, topic: 'a/b c' });
  assert.deepEqual(
    { ...bus.published[0], payload: Buffer.from(bus.published[0]!.payload) },
    { topic: 'a/b c', payload: bytes, qos: 2, retain: false, contentType: 'application/x-own', source: 'http' },
  );
  for (const contentType of ['application/json', 'multipart/form-data', 'nonsense'])
    assert.equal((await post('/t/x', '{not json', { 'content-type': contentType })).status, 200);
});

test('a body of no bytes and no content type is an event with an empty payload', async () => {
  const asked = request(url('/t/a'), { method: 'POST' }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  response.resume();
  assert.equal(bus.published[0]!.payload.length, 0);
});

test('a long topic is taken', async () => {
  const topic = `${'level/'.repeat(500)}end`;
  assert.equal(((await (await post(`/t/${topic}`)).json()) as { topic: string }).topic, topic);
});

test('each refusal has its status, code, reason and fix', async () => {
  assert.deepEqual(await fault(await post('/t/a/%23')), {
    status: 400,
    code: 'HYD_TOPIC',
    message: 'topic "a/#": a topic to publish to has no wildcard (+ or #)',
    fix: 'Publish to a topic without + or #, without NUL, at most 65 535 bytes of UTF-8.',
  });
  assert.equal((await fault(await post('/t/a?qos=9'))).status, 400);
  assert.deepEqual(Object.values(await fault(await post('/t/a', 'x'.repeat(1001)))).slice(0, 2), [413, 'HYD_TOO_LARGE']);
  const missing = await fault(await fetch(url('/t/a')));
  assert.deepEqual([missing.status, missing.code, missing.message], [404, 'HYD_NOT_FOUND', 'there is no GET /t/a']);
  assert.match(missing.fix, /POST \/t\/\{topic\}/);
  const bad = await fault(await post('/t/%zz'));
  assert.deepEqual([bad.status, bad.code], [400, 'HYD_USAGE']);
});

test('a journal that cannot write is 503 with Retry-After, an unexpected error 500 without its stack', async () => {
  bus.failWith = new HydrantError('HYD_JOURNAL_FULL', 'the disk is full');
  const full = await post('/t/a');
  assert.equal(full.headers.get('retry-after'), '5');
  assert.deepEqual(await fault(full), {
    status: 503,
    code: 'HYD_JOURNAL_FULL',
    message: 'the disk is full',
    fix: 'Free disk space in the data folder; publishing resumes by itself.',
  });
  bus.failWith = new TypeError('oops');
  const { status, code, message } = await fault(await post('/t/a'));
  assert.deepEqual([status, code, message], [500, 'HYD_INTERNAL', 'oops']);
});

test('a page of another site can neither publish nor read nor open a websocket, and a foreign Host is refused', async () => {
  assert.equal((await fault(await post('/t/a', 'x', { origin: 'http://evil.example' }))).code, 'HYD_REFUSED');
  assert.equal((await fetch(url('/events'), { headers: { origin: 'http://evil.example' } })).status, 403);
  assert.equal(bus.published.length, 0);
  const asked = request({ port, host: '127.0.0.1', path: '/healthz', headers: { host: 'evil.example' } }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  assert.equal(response.statusCode, 403);
  const socket = new WebSocket(url('/mqtt').replace('http', 'ws'), ['mqtt'], { origin: 'http://evil.example' });
  assert.match(await refusal(socket), /^403 .*HYD_REFUSED/);
  assert.equal((await post('/t/a', 'x', { origin: `http://127.0.0.1:${port}` })).status, 200);
});

test('server-sent events carry the archive’s own line, with the sequence as id', async () => {
  const { response } = await open('/events?filter=a/%23&filter=b&since=7', { accept: 'text/event-stream' });
  assert.equal(response.headers['content-type'], 'text/event-stream');
  assert.deepEqual(bus.asked[0]!.filters, ['a/#', 'b']);
  assert.deepEqual(bus.asked[0]!.options?.startAt, { seq: 7 });
  bus.give(stored(7), stored(8));
  const text = await until(response, 'id: 8');
  const line = Buffer.from(/^id: 7\ndata: (.*)\n\n/.exec(text)![1]!);
  const { payload, ...event } = decodeLine(line, 0, line.length, { crc: 'required' });
  assert.equal(payload.toString(), 'payload 7');
  assert.deepEqual({ ...event, payload: Buffer.from(payload) }, stored(7));
  response.destroy();
});

test('a client that reconnects with Last-Event-ID goes on behind it', async () => {
  const { response } = await open('/events?format=sse&since=1', { 'last-event-id': '8' });
  assert.deepEqual(bus.asked[0]!.options?.startAt, { seq: 9 });
  response.destroy();
});

test('NDJSON is one archive line per event, acknowledged to the bus once written', async () => {
  const { response } = await open('/events');
  assert.equal(response.headers['content-type'], 'application/x-ndjson');
  bus.give(stored(1));
  bus.give(stored(2), stored(3));
  const lines = (await until(response, '"seq":3')).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).seq),
    [1, 2, 3],
  );
  assert.equal(bus.acked, 3);
  response.destroy();
});

test('a wrong filter is answered as an error, not as an empty stream', async () => {
  assert.deepEqual(Object.values(await fault(await fetch(url('/events?filter=a%23')))).slice(0, 2), [400, 'HYD_FILTER']);
  bus.failWith = new HydrantError('HYD_CLOSED', 'closing');
  assert.deepEqual(Object.values(await fault(await fetch(url('/events')))).slice(0, 2), [503, 'HYD_CLOSED']);
});

test('the subscription ends when the client goes', async () => {
  const { response } = await open('/events');
  assert.equal(http.streams, 1);
  response.destroy();
  await within(
    (async () => {
      while (http.streams > 0) await new Promise(setImmediate);
    })(),
    10_000,
    'the stream to end',
  );
  assert.equal(bus.closed, 1);
});

test('a reader that does not read is not read for, and is cut off after a while', async () => {
  const socket: Socket = connect(port, '127.0.0.1');
  try {
    socket.pause();
    socket.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    const [serverSide] = (await once(server, 'connection')) as [Socket];
    const closed = once(serverSide, 'close');
    while (http.streams === 0) await new Promise(setImmediate);
    const megabyte = Buffer.alloc(1_000_000, 'x');
    for (let seq = 1; seq <= 60; seq++) bus.give(stored(seq, megabyte));
    await within(closed, 10_000, 'the reader to be cut off');
    assert.ok(bus.acked < 30, `${bus.acked} of 60 were acknowledged`);
    assert.equal(bus.closed, 1);
  } finally {
    socket.destroy();
  }
});

test('sampling shows some, counts all', async () => {
  const { response } = await open('/events?format=sse&sample=5');
  bus.give(...Array.from({ length: 500 }, (_, i) => stored(i + 1)));
  const text = await until(response, 'event: rate');
  assert.equal(text.match(/^id: /gm)!.length, 5);
  assert.match(text, /event: rate\ndata: \{"seen":500,"shown":5\}\n\n/);
  assert.equal(bus.acked, 500);
  response.destroy();
});

test('closing ends event streams in an orderly way', async () => {
  const { response } = await open('/events');
  const ended = once(response.resume(), 'end');
  await http.close({ deadlineMs: 5000 });
  await within(ended, 5000, 'the end of the stream');
  assert.equal(response.complete, true);
});

test('closing lets a publish under way finish, and cuts what is not done at the deadline', async () => {
  const slow = connect(port, '127.0.0.1');
  slow.on('error', () => {});
  slow.write(`POST /t/a HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 5\r\n\r\nhe`);
  await once(server, 'request');
  const cut = once(slow, 'close');
  await http.close({ deadlineMs: 50 });
  await within(cut, 5000, 'the connection to be cut');
  assert.equal(bus.published.length, 0);
});

test('healthz is always ok, readyz gives the reasons why not', async () => {
  assert.deepEqual([(await fetch(url('/healthz'))).status, (await fetch(url('/readyz'))).status], [200, 200]);
  reasons = ['the journal cannot be written: the disk is full'];
  const response = await fetch(url('/readyz'));
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), { status: 'not ready', reasons });
  assert.equal((await fetch(url('/healthz'))).status, 200);
});

test('metrics come in their own content type', async () => {
  const response = await fetch(url('/metrics'));
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4');
  assert.equal(await response.text(), 'hydrant_up 1\n');
});

async function refusal(socket: WebSocket): Promise<string> {
  socket.on('error', () => {});
  const [, response] = (await within(once(socket, 'unexpected-response'), 10_000, 'a refusal')) as [unknown, IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return `${response.statusCode} ${text}`;
}

for (const [offered, chosen] of [
  [['mqtt'], 'mqtt'],
  [['mqttv3.1'], 'mqttv3.1'],
  [['other', 'mqtt'], 'mqtt'],
] as const) {
  test(`a websocket on any path that offers ${offered.join(' and ')} is handed over`, async () => {
    const socket = new WebSocket(url('/any/path').replace('http', 'ws'), [...offered]);
    await within(once(socket, 'open'), 10_000, 'the websocket');
    assert.equal(socket.protocol, chosen);
    assert.equal(socket.extensions, '');
    assert.equal(sockets.length, 1);
    socket.terminate();
  });
}

test('a websocket without the subprotocol mqtt is refused with the reason', async () => {
  const plain = await refusal(new WebSocket(url('/').replace('http', 'ws')));
  assert.match(plain, /^400 .*the subprotocol \\"mqtt\\" was not offered \(offered: none\)/);
  const other = await refusal(new WebSocket(url('/').replace('http', 'ws'), ['chat']));
  assert.match(other, /offered: chat/);
  assert.equal(sockets.length, 0);
});

test('a websocket message beyond the limit ends that websocket', async () => {
  const socket = new WebSocket(url('/').replace('http', 'ws'), ['mqtt']);
  socket.on('error', () => {});
  await within(once(socket, 'open'), 10_000, 'the websocket');
  sockets[0]!.on('error', () => {});
  socket.send(Buffer.alloc(1000 + 65_536 + 1));
  const [code] = await within(once(socket, 'close'), 10_000, 'the close');
  assert.equal(code, 1009);
});

test('the page loads from this server only and runs no script of its own in the text', async () => {
  const page = await fetch(url('/?filter=a/%23'));
  const text = await page.text();
  assert.match(page.headers.get('content-type')!, /text\/html/);
  assert.match(page.headers.get('content-security-policy')!, /default-src 'none'; script-src 'self'/);
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
  assert.doesNotMatch(text, /<script(?![^>]* src=)|<style| on\w+=|style="/);
  for (const [, path] of text.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
    if (path !== '/events') assert.equal((await fetch(url(path!))).status, 200, path);
  }
});
