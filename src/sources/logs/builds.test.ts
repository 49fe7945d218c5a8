import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { until } from '../../testing/deadline.ts';
import { startFileServer } from '../../testing/file-server.ts';
import { countJobs, startGearmand, submitInBackground, submitJob } from '../../testing/gearmand.ts';
import { freePort } from '../../testing/mosquitto.ts';
import { startSource, testSource } from '../../testing/source-harness.ts';
import { createEventCheck } from '../catalogue/event-check.ts';
import { logs } from './logs.ts';

const FUNCTION = 'push-log';

function job(sourceUrl: string, fields: Record<string, unknown> = {}): string {
  const event = {
    fields: { build_uuid: 'u1', build_name: 'unit', project: 'store/stock', build_change: '17', message: 'of the fields', ...fields },
    tags: ['console'],
  };
  return JSON.stringify({ source_url: sourceUrl, retry: false, event });
}

/** What takes lines. `onSocket` may break the connection. */
async function startCollector(port = 0, onSocket: (socket: Socket, connection: number) => void = () => {}) {
  const lines: string[] = [];
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    let rest = '';
    socket.setEncoding('utf8').on('data', (text) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop()!;
      lines.push(...parts);
    });
    onSocket(socket, connections++);
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    messages: () => lines.map((line) => JSON.parse(line).message as string),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

test('a log goes to the output line by line with the fields and tags of its build; then the job is done and told', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer({ '/log.gz': gzipSync('first\r\n\nthird "quoted" é\nlast') });
  await using collector = await startCollector();
  const output = { outputHost: '127.0.0.1', outputPort: collector.port };
  const options = { gearman: [gearmand.address], ...output, host: 'w1', level: 'INFO' };
  await using harness = await startSource(logs, options, createEventCheck(logs.schemas));
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(`${web.url}/log`)), { outcome: 'complete' });
  assert.deepEqual(collector.messages(), ['first', '', 'third "quoted" é', 'last']);
  assert.ok(!collector.lines.join().includes('of the fields'));
  assert.deepEqual(JSON.parse(collector.lines[0]!), {
    build_uuid: 'u1',
    build_name: 'unit',
    project: 'store/stock',
    build_change: '17',
    tags: ['console'],
    message: 'first',
  });
  await harness.seen(1);
  const [event] = harness.events;
  assert.equal(event!.topic, 'gearman-logstash/w1/store/stock/17/retrieve_logs');
  assert.deepEqual(JSON.parse(String(event!.payload)), { build_uuid: 'u1', source_url: `${web.url}/log`, status: 'success' });
  assert.deepEqual(web.asked, ['/log.gz?level=INFO']);
  assert.equal(harness.source.status().mismatched, 0);
});

test('a log that cannot be had fails its job and is told as a failure', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer();
  await using collector = await startCollector();
  await using harness = await startSource(logs, { gearman: [gearmand.address], output: `tcp://127.0.0.1:${collector.port}` });
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(`${web.url}/none`, { build_change: '', build_queue: 'nightly' })), {
    outcome: 'fail',
  });
  await harness.seen(1);
  assert.match(harness.events[0]!.topic, /store\/stock\/nightly\/retrieve_logs$/);
  assert.equal(JSON.parse(String(harness.events[0]!.payload)).status, 'failure');
  assert.deepEqual(collector.lines, []);
});

test('while the output is away jobs stay with the server, and nothing says that they are done', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer({ '/log': 'a\nb\n' });
  const port = await freePort();
  await using harness = await startSource(logs, { gearman: [gearmand.address], output: `tcp://127.0.0.1:${port}` });
  await submitInBackground(gearmand.port, FUNCTION, [job(`${web.url}/log`)]);
  await until(() => harness.source.status().errors >= 2, 'two attempts');
  assert.match(harness.source.status().lastError!, /the output tcp:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED/);
  assert.equal(await countJobs(gearmand.port, FUNCTION), 1);
  assert.equal(harness.events.length, 0);
  assert.deepEqual(web.asked, []);
  await using collector = await startCollector(port);
  await harness.seen(1);
  assert.deepEqual(collector.messages(), ['a', 'b']);
  await until(async () => (await countJobs(gearmand.port, FUNCTION)) === 0, 'the job to be done');
});

test('an output that breaks off in the middle gets the log again', async () => {
  await using gearmand = await startGearmand();
  const numbers = Array.from({ length: 5000 }, (_, i) => `line ${i}`);
  await using web = await startFileServer({ '/log.gz': numbers.join('\n') });
  await using collector = await startCollector(0, (socket, connection) => {
    if (connection === 0) socket.once('data', () => socket.resetAndDestroy());
  });
  await using harness = await startSource(logs, { gearman: [gearmand.address], output: `tcp://127.0.0.1:${collector.port}` });
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(`${web.url}/log`)), { outcome: 'complete' });
  assert.equal(harness.source.status().errors, 1);
  assert.deepEqual(collector.messages().slice(-5000), numbers);
});

test('an output that took every line from the network and died before it read them gets the log again', async () => {
  await using gearmand = await startGearmand();
  let deaf: Socket | undefined;
  await using web = await startFileServer({
    '/log.gz': (_, response) => void response.end('a\nb\n', () => setImmediate(() => deaf?.resetAndDestroy())),
  });
  await using collector = await startCollector(0, (socket, connection) => {
    deaf = connection === 0 ? socket.pause() : undefined;
  });
  await using harness = await startSource(logs, { gearman: [gearmand.address], output: `tcp://127.0.0.1:${collector.port}` });
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(`${web.url}/log`)), { outcome: 'complete' });
  assert.equal(harness.source.status().errors, 1);
  assert.deepEqual(collector.messages(), ['a', 'b']);
});

test('lines go as datagrams; one that is too long for it is counted, and where nobody listens the job stays', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer({ '/log': `a\n${'x'.repeat(70_000)}\nb\n`, '/other': Array(200).fill('c').join('\n') });
  const received: string[] = [];
  const port = await freePort();
  const socket = createSocket('udp4', (bytes) => void received.push(JSON.parse(bytes.toString()).message)).bind(port, '127.0.0.1');
  await once(socket, 'listening');
  await using harness = await startSource(logs, { gearman: [gearmand.address], output: `udp://127.0.0.1:${port}` });
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(`${web.url}/log`)), { outcome: 'complete' });
  await until(() => received.length === 2, 'both datagrams');
  assert.deepEqual(received, ['a', 'b']);
  assert.deepEqual(harness.source.status().refused, { 'a line is too long for a datagram': 1 });
  socket.close();
  await once(socket, 'close');
  await submitInBackground(gearmand.port, FUNCTION, [job(`${web.url}/other`)]);
  await until(() => harness.source.status().errors >= 1, 'an error');
  assert.match(harness.source.status().lastError!, /ECONNREFUSED/);
});

test('a test tries the output too, and options that name none are refused', async () => {
  await using gearmand = await startGearmand();
  await using collector = await startCollector();
  const tried = async (output: string) => (await testSource(logs, { gearman: [gearmand.address], output })).slice(2);
  assert.deepEqual(await tried(`tcp://127.0.0.1:${collector.port}`), [
    { ok: true, what: `the output tcp://127.0.0.1:${collector.port} takes connections` },
  ]);
  assert.match(JSON.stringify(await tried(`tcp://127.0.0.1:${await freePort()}`)), /"ok":false.*ECONNREFUSED/);
  assert.deepEqual(await tried('stdout'), [{ ok: true, what: 'the output stdout' }]);
  await assert.rejects(startSource(logs, { gearman: ['h'] }), { code: 'HYD_CONFIG', message: /no output/ });
  await assert.rejects(startSource(logs, { gearman: ['h'], outputHost: 'h' }), { code: 'HYD_CONFIG', message: /no output/ });
  await assert.rejects(startSource(logs, {}), { code: 'HYD_CONFIG', message: /either gearman or file/ });
  for (const output of ['', 'tcp://h', 'tcp://h:0', 'http://h:1', 'tcp://h:70000'])
    assert.equal(logs.options.safeParse({ output }).success, false, output);
  assert.ok(logs.options.safeParse({ output: 'udp://[::1]:5' }).success);
});
