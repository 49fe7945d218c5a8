import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Child, run } from '../../src/testing/child.ts';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const at = (path: string): string => new URL(path, server.httpUrl).href;

async function curl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('curl', ['-sS', '--fail-with-body', '-m', '20', ...args]);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  return stdout;
}

/** A curl that follows `/events` and has got the answer's head. */
async function follow(path: string, ...args: string[]): Promise<Child> {
  const child = new Child('curl', ['-sSN', '-i', ...args, at(path)]);
  await child.line((line) => (line.trim() === '' ? true : undefined), 10_000, 'the head of the answer');
  return child;
}

const line = (child: Child, text: string): Promise<string> =>
  child.line((line) => (line.includes(text) ? line : undefined), 10_000, `a line with ${text}`);

test('curl -d publishes: the answer names the sequence, subscribers get it, hydrant find has it', async () => {
  using client = await RawClient.connect(server.mqttUrl);
  await client.subscribe('demo/#');
  const { id, seq, topic } = JSON.parse(await curl('-d', 'hello', at('/t/demo/hello')));
  assert.equal(topic, 'demo/hello');
  assert.match(id, /./);
  await client.expectMessage('demo/hello', 'hello');
  const [event] = await findEvents(server.data, 'demo/hello');
  assert.deepEqual([event?.seq, event?.payload.toString()], [seq, 'hello']);
});

test('curl publishes a retained event that an MQTT client gets later', async () => {
  await curl('-d', 'kept', at('/t/kept/http?retain=true&qos=1'));
  using client = await RawClient.connect(server.mqttUrl, { auto: true });
  await client.subscribe('kept/#', 1);
  await client.expectMessage('kept/http', 'kept', { retain: true, qos: 1 });
});

test('curl -N follows the stream as NDJSON: history from a sequence, then live', async () => {
  const first = JSON.parse(await curl('-d', 'one', at('/t/nd/a')));
  await curl('-d', 'two', at('/t/nd/a'));
  await using stream = await follow(`/events?filter=nd/%23&since=${first.seq}`);
  await line(stream, Buffer.from('one').toString('base64'));
  await line(stream, Buffer.from('two').toString('base64'));
  using client = await RawClient.connect(server.mqttUrl);
  client.publish('nd/b', 'three');
  const live = JSON.parse(await line(stream, '"nd/b"'));
  assert.equal(Buffer.from(live.data, 'base64').toString(), 'three');
});

test('curl follows the stream as server-sent events, and goes on behind Last-Event-ID', async () => {
  const first = JSON.parse(await curl('-d', 'one', at('/t/sse/a')));
  const second = JSON.parse(await curl('-d', 'two', at('/t/sse/a')));
  const headers = ['-H', 'Accept: text/event-stream', '-H', `Last-Event-ID: ${first.seq}`];
  await using stream = await follow('/events?filter=sse/%23', ...headers);
  await line(stream, `id: ${second.seq}`);
  await line(stream, Buffer.from('two').toString('base64'));
  assert.ok(!stream.stdout.includes(`id: ${first.seq}\n`));
});

test('curl reads health, readiness and metrics', async () => {
  assert.equal(JSON.parse(await curl(at('/healthz'))).status, 'ok');
  assert.equal(JSON.parse(await curl(at('/readyz'))).status, 'ready');
  const metrics = await curl(at('/metrics'));
  assert.match(metrics, /^# TYPE hydrant_\w+ (counter|gauge)$/m);
  for (const sample of metrics.split('\n').filter((line) => line !== '' && !line.startsWith('#'))) {
    assert.match(sample, /^[a-z_:][a-z0-9_:]*(\{[^}]*\})? [-+0-9.eENaInf]+$/, sample);
    assert.doesNotMatch(sample, /(topic|client)=/, 'a label names a topic or a client');
  }
});

test('curl is told what was wrong with a topic', async () => {
  const { code, stdout } = await run('curl', ['-sS', '--fail-with-body', '-m', '20', '-d', 'x', at('/t/a/%23')]);
  assert.equal(code, 22);
  assert.equal(JSON.parse(stdout).error.code, 'HYD_TOPIC');
});
