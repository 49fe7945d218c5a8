import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { auto: true, ...options });

/** A client that behaves, connected all the while: after each test it must still get its event. */
let bystander: RawClient;
before(async () => {
  bystander = await connect();
  await bystander.subscribe('bystander/#', 1);
});
after(() => bystander.destroy());
afterEach(async (t) => {
  await bystander.deliver('bystander/a', t.name, { qos: 1 });
  await bystander.expectMessage('bystander/a', t.name);
});

function text(value: string | number[]): number[] {
  const bytes = Buffer.from(value as string);
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
}

function packet(first: number, body: number[]): number[] {
  assert.ok(body.length < 128);
  return [first, body.length, ...body];
}

const BAD_TEXT: Record<string, number[]> = {
  'a continuation byte alone': [0x61, 0x80],
  'a sequence cut short': [0x61, 0xc3],
  'an overlong slash': [0xc0, 0xaf],
  'a surrogate (U+D800)': [0xed, 0xa0, 0x80],
  'a code point above U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
  'byte FF': [0x61, 0xff],
  'U+0000': [0x61, 0x00, 0x62],
};

for (const [what, bytes] of Object.entries(BAD_TEXT)) {
  test(`[MQTT3-1.5.3-1] [MQTT3-1.5.3-2] [MQTT3-3.3.2-1] [MQTT3-3.8.3-1] [MQTT3-3.10.3-1] [MQTT3-4.7.3-2] closes a client with ${what} in a topic, a filter or a filter to remove`, async () => {
    for (const sent of [
      packet(0x30, [...text(bytes), 0x78]),
      packet(0x82, [0, 1, ...text(bytes), 0]),
      packet(0xa2, [0, 1, ...text(bytes)]),
    ]) {
      using client = await connect();
      client.sendBytes(sent);
      await client.expectClose();
    }
  });

  test(`[MQTT3-1.5.3-1] [MQTT3-1.5.3-2] [MQTT3-3.1.3-4] [MQTT3-3.1.3-10] [MQTT3-3.1.3-11] refuses a CONNECT with ${what} in client id, will topic or user name`, async () => {
    const head = (flags: number): number[] => [...text('MQTT'), 4, flags, 0, 0];
    for (const body of [
      [...head(2), ...text(bytes)],
      [...head(6), ...text('will'), ...text(bytes), ...text('x')],
      [...head(0x82), ...text('user'), ...text(bytes)],
    ]) {
      using client = await RawClient.open(server.mqttUrl);
      client.sendBytes(packet(0x10, body));
      await client.expectClose();
    }
  });
}

const MALFORMED: Record<string, number[]> = {
  'a remaining length of five bytes': [0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
  'packet type 0': [0x00, 0x00],
  'packet type 15': [0xf0, 0x00],
  'a PUBLISH whose topic is longer than the packet': [0x30, 4, 0, 9, 0x61, 0x62],
  'a PUBLISH without a topic': [0x30, 0],
  'a QoS 1 PUBLISH without a packet id': [0x32, 3, 0, 1, 0x61],
  'a PUBACK of one byte': [0x40, 1, 0],
  'a PUBREL without a packet id': [0x62, 0],
  'a SUBSCRIBE cut inside its filter': [0x82, 6, 0, 1, 0, 9, 0x61, 0],
  'a SUBSCRIBE without the QoS of its last filter': [0x82, 5, 0, 1, 0, 1, 0x61],
  'an UNSUBSCRIBE cut inside its filter': [0xa2, 5, 0, 1, 0, 9, 0x61],
  'a CONNACK, which only a server sends': [0x20, 2, 0, 0],
  'a SUBACK, which only a server sends': [0x90, 3, 0, 1, 0],
  'an UNSUBACK, which only a server sends': [0xb0, 2, 0, 1],
  'a PINGRESP, which only a server sends': [0xd0, 0],
};

for (const [what, bytes] of Object.entries(MALFORMED)) {
  test(`[MQTT3-4.8.0-1] closes a client that sends ${what}`, async () => {
    using client = await connect();
    client.sendBytes(bytes);
    await client.expectClose();
  });
}

test('[MQTT3-2.2.2-2] [MQTT3-3.6.1-1] [MQTT3-3.14.1-1] closes a client whose fixed header has other flags than its packet type', async () => {
  for (const bytes of [
    [0xc1, 0],
    [0xe1, 0],
    [0x42, 2, 0, 1],
    [0x60, 2, 0, 1],
    [0x72, 2, 0, 1],
  ]) {
    using client = await connect();
    client.sendBytes(bytes);
    await client.expectClose();
  }
});

test('[MQTT3-3.1.4-1] [MQTT3-3.2.2-6] refuses a CONNECT cut short at each of its bytes', async () => {
  const whole = packet(0x10, [...text('MQTT'), 4, 0xf6, 0, 0, ...text('id'), ...text('w'), ...text('p'), ...text('u'), ...text('s')]);
  for (let length = 0; length < whole.length - 2; length++) {
    using client = await RawClient.open(server.mqttUrl);
    client.sendBytes(packet(0x10, whole.slice(2, 2 + length)));
    await client.expectClose();
  }
});

test('publishes nothing of a packet whose sender leaves in the middle of it', async () => {
  await bystander.subscribe('half/#', 1);
  const client = await connect();
  client.sendBytes([0x32, 20, ...text('half/a'), 0, 1, 0x78]);
  client.stream.end();
  await client.expectClose();
  await bystander.expectQuiet();
});

test('reads a packet that comes one byte at a time', async () => {
  using client = await connect();
  await client.subscribe('slow/#');
  for (const byte of packet(0x30, [...text('slow/a'), ...Buffer.from('piecemeal')])) client.sendBytes([byte]);
  await client.expectMessage('slow/a', 'piecemeal');
});

test('closes a client that announces a packet over the limit, before it has sent it', async () => {
  using client = await connect();
  client.sendBytes([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x61]);
  await client.expectClose();
});

test('closes a connection that announces an oversized CONNECT', async () => {
  using client = await RawClient.open(server.mqttUrl);
  client.sendBytes([0x10, 0xff, 0xff, 0xff, 0x7f, ...text('MQTT'), 4, 2, 0, 0]);
  await client.expectClose();
});

test('closes a connection that sends bytes of another protocol', async () => {
  for (const greeting of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'SSH-2.0-OpenSSH_9.2\r\n', '\u0016\u0003\u0001\u0002\u0000\u0001']) {
    using client = await RawClient.open(server.mqttUrl);
    client.sendBytes(Buffer.from(greeting));
    await client.expectClose();
  }
});

test('survives 300 connections of random bytes', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`SEED=${seed}`);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let round = 0; round < 300; round++) {
    using client = await (random(4) === 0 ? RawClient.open(server.mqttUrl) : connect());
    const bytes = Array.from({ length: 1 + random(60) }, () => random(256));
    if (random(2) === 0) bytes[1] = bytes.length - 2;
    client.sendBytes(bytes);
    client.stream.end();
    await bystander.ping();
  }
});

test('counts what a bad client did by its reason, and logs it once', async () => {
  const counted = async (): Promise<number> => {
    const metrics = await (await fetch(new URL('/metrics', server.httpUrl))).text();
    return Number(/^hydrant_faults_total\{reason="bad-flags"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  };
  const before = await counted();
  using client = await connect({ clientId: 'counted' });
  client.sendBytes([0xc1, 0, 0xc1, 0, 0xc1, 0]);
  await client.expectClose();
  assert.equal((await counted()) - before, 1);
  const entries = server.log.filter((entry) => entry.client === 'counted');
  assert.equal(entries.length, 1, JSON.stringify(entries));
  assert.deepEqual([entries[0]?.level, entries[0]?.reason], ['warn', 'bad-flags']);
});
