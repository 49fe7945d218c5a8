import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../src/testing/child.ts';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { startMosquitto } from '../../src/testing/mosquitto.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const server = await shareServer({ set: { 'sys.interval': '1s' } });
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);

/** Retained values that mosquitto_sub gets at once, by topic. */
async function retainedValues(port: number, filter = '$SYS/#', version = 'mqttv311'): Promise<Map<string, string>> {
  const args = ['-h', '127.0.0.1', '-p', String(port), '-V', version, '-t', filter, '-W', '2', '--retained-only', '-F', '%t\t%p'];
  const { stdout } = await run('mosquitto_sub', args);
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t') as [string, string]),
  );
}

/** The next value of a topic that the test accepts. */
async function awaitValue(client: RawClient, topic: string, accept: (value: string) => boolean): Promise<string> {
  for (;;) {
    const { payload } = await client.take('publish', { topic });
    if (accept(payload.toString())) return payload.toString();
  }
}

test('mosquitto_sub gets every topic that Mosquitto itself has, with a value of the same form', async () => {
  await using mosquitto = await startMosquitto({ config: ['sys_interval 1'] });
  using seen = await RawClient.connect(mosquitto.url);
  await seen.subscribe('$SYS/broker/load/+/+/1min');
  await seen.take('publish');
  const theirs = await retainedValues(mosquitto.port);
  const ours = await retainedValues(server.mqttPort);
  assert.ok(theirs.size > 40, `only ${theirs.size} topics of Mosquitto`);
  const form = (text = ''): string =>
    text.replace(/\d+(\.\d+)*/g, (number) => (number.includes('.') ? '1.0' : '1')).replace(/^mosquitto/, 'hydrant');
  for (const [topic, value] of theirs) {
    if (topic === '$SYS/broker/version') assert.match(ours.get(topic)!, /^hydrant version \d+\.\d+\.\d+$/);
    else assert.equal(form(ours.get(topic)), form(value), topic);
  }
});

test('an MQTT 5 client gets them too, and only those below its filter', async () => {
  const values = await retainedValues(server.mqttPort, '$SYS/broker/clients/+', 'mqttv5');
  assert.deepEqual([...values.keys()].sort(), [
    '$SYS/broker/clients/active',
    '$SYS/broker/clients/connected',
    '$SYS/broker/clients/disconnected',
    '$SYS/broker/clients/expired',
    '$SYS/broker/clients/inactive',
    '$SYS/broker/clients/maximum',
    '$SYS/broker/clients/total',
  ]);
});

test('the numbers are those of what happened', async () => {
  await using other = await startHydrant({ set: { 'sys.interval': '1s' } });
  using reader = await RawClient.connect(other.mqttUrl, { clientId: 'reader' });
  using absent = await RawClient.connect(other.mqttUrl, { clientId: 'absent', clean: false });
  await absent.subscribe(['kept/#', 'more'], 1);
  using publisher = await RawClient.connect(other.mqttUrl, { version: 5 });
  await absent.disconnect();
  await reader.subscribe(['n/#', '$share/one/s/#', '$share/one/t', '$share/two/t'], 1);
  for (let i = 0; i < 10; i++) await publisher.deliver('n/1', 'sixteen bytes!!!', { qos: 1 });
  await publisher.deliver('kept/1', 'four', { qos: 1, retain: true });
  for (let i = 0; i < 10; i++) reader.ack('puback', (await reader.take('publish', { topic: 'n/1' })).messageId);
  publisher.publish('$SYS/broker/version', 'mine', { qos: 1 });
  await publisher.take('puback', { reasonCode: 0x90 });
  await reader.subscribe('$SYS/#');
  const expected = {
    'broker/clients/connected': '2',
    'broker/clients/disconnected': '1',
    'broker/clients/total': '3',
    'broker/clients/maximum': '3',
    'broker/publish/messages/received': '11',
    'broker/publish/bytes/received': '164',
    'broker/publish/messages/sent': '10',
    'broker/publish/bytes/sent': '160',
    'broker/retained messages/count': '1',
    'broker/subscriptions/count': '4',
    'broker/shared_subscriptions/count': '3',
    'hydrant/refused/total': '1',
    'hydrant/refused/reasons/reserved_topic': '1',
    // CONNECT 3, SUBSCRIBE 3, DISCONNECT 1, PUBLISH 12, PUBACK 10.
    'broker/messages/received': '29',
  };
  for (const [topic, value] of Object.entries(expected)) {
    const { payload, retain } = await reader.take('publish', { topic: `$SYS/${topic}` });
    assert.deepEqual([payload.toString(), retain], [value, true], topic);
  }
  const bytes = Number((await reader.take('publish', { topic: '$SYS/broker/bytes/received' })).payload);
  assert.ok(bytes > 12 * 25 && bytes < 2000, `${bytes} bytes received`);
  const metrics = await (await fetch(`${other.httpUrl}/metrics`)).text();
  for (const line of [
    'hydrant_messages_in_total 11',
    'hydrant_payload_bytes_in_total 164',
    'hydrant_clients_connected 2',
    'hydrant_sessions_absent 1',
  ])
    assert.ok(metrics.includes(`\n${line}\n`), line);
});

test('what changes comes at the next interval, not retained, and what does not change does not come', async () => {
  using reader = await connect();
  await reader.subscribe('$SYS/broker/#');
  await reader.take('publish', { topic: '$SYS/broker/clients/connected' });
  await awaitValue(reader, '$SYS/broker/uptime', () => true);
  reader.inbox.length = 0;
  using _one = await connect();
  const before = Number(await awaitValue(reader, '$SYS/broker/clients/connected', () => true));
  assert.ok(before >= 2);
  assert.equal(reader.history.filter((packet) => packet.cmd === 'publish' && packet.topic === '$SYS/broker/version').length, 1);
  const last = reader.history.findLast((packet) => packet.cmd === 'publish' && packet.topic === '$SYS/broker/clients/connected');
  assert.equal(last?.cmd === 'publish' && last.retain, false);
});

test('a subscription to # gets none of it, and none of it is in the journal or retained by the server', async () => {
  using all = await connect();
  await all.subscribe(['#', '+/broker/uptime', '+/#']);
  using reader = await connect();
  await reader.subscribe('$SYS/broker/uptime', 1);
  const first = await awaitValue(reader, '$SYS/broker/uptime', () => true);
  await awaitValue(reader, '$SYS/broker/uptime', (value) => value !== first);
  await all.ping();
  assert.deepEqual(await findEvents(server.data, '$SYS/#'), []);
  const { stdout } = await run('mosquitto_sub', [
    '-p',
    String(server.mqttPort),
    '-t',
    '#',
    '-t',
    '$SYS/broker/uptime',
    '--retained-only',
    '-C',
    '1',
    '-F',
    '%t',
  ]);
  assert.equal(stdout, '$SYS/broker/uptime\n');
});

test('an absent session with a subscription to $SYS keeps nothing of it', async () => {
  const session = { clientId: 'watcher', clean: false };
  using first = await connect(session);
  await first.subscribe('$SYS/#', 2);
  await first.take('publish', { topic: '$SYS/broker/uptime' });
  await first.disconnect();
  using reader = await connect();
  await reader.subscribe('$SYS/broker/uptime');
  const now = await awaitValue(reader, '$SYS/broker/uptime', () => true);
  await awaitValue(reader, '$SYS/broker/uptime', (value) => value !== now);
  using back = await connect(session);
  assert.equal(back.connack.sessionPresent, true);
  await back.ping();
});

test('sys.interval 0 switches it off, and SIGHUP brings it back to those who have subscribed', async () => {
  await using folder = await createTempFolder();
  const config = join(folder.path, 'hydrant.yaml');
  await writeFile(config, 'sys: {interval: 0}');
  await using off = await startHydrant({ args: ['--config', config] });
  using client = await RawClient.connect(off.mqttUrl);
  await client.subscribe('$SYS/#');
  await client.expectQuiet();
  await writeFile(config, 'sys: {interval: 1s}');
  off.child.signal('SIGHUP');
  await client.take('publish', { topic: '$SYS/broker/uptime' });
});
