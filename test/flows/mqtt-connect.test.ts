import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const url = server.mqttUrl;

/** CONNECT by hand: protocol name, level, flags, keep-alive 0, then the payload's length-prefixed fields. */
function connectBytes(name: string, level: number, flags: number, ...fields: string[]): Buffer {
  const body = Buffer.concat([field(name), Buffer.from([level, flags, 0, 0]), ...fields.map(field)]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

for (const [version, name] of [
  [3, 'MQTT 3.1'],
  [4, 'MQTT 3.1.1'],
  [5, 'MQTT 5'],
] as const) {
  test(`accepts ${name}`, async () => {
    using client = await RawClient.connect(url, { version });
    assert.equal(client.connack.sessionPresent, false);
    await client.ping();
  });
}

test('[MQTT-3.1.0-1] [MQTT3-3.1.0-1] closes a connection whose first packet is not CONNECT', async () => {
  for (const bytes of [
    [0xc0, 0],
    [0x30, 3, 0, 1, 0x61],
    [0x82, 6, 0, 1, 0, 1, 0x61, 0],
    [0xe0, 0],
  ]) {
    using client = await RawClient.open(url);
    client.sendBytes(bytes);
    await client.expectClose();
  }
});

test('[MQTT3-3.1.0-2] closes a client that sends a second CONNECT', async () => {
  using client = await RawClient.connect(url);
  client.sendConnect({ clientId: client.clientId });
  await client.expectClose();
});

test('[MQTT-3.1.2-1] [MQTT3-3.1.2-1] answers another protocol name with return code 1 and closes', async () => {
  for (const name of ['HTTP', 'mqtt', 'MQTTX', '']) {
    using client = await RawClient.open(url);
    client.sendBytes(connectBytes(name, 4, 2, 'name'));
    await client.expect('connack', { returnCode: 1, sessionPresent: false });
    await client.expectClose();
  }
});

test('[MQTT-3.1.2-2] [MQTT3-3.1.2-2] answers an unknown protocol level with return code 1 and closes', async () => {
  for (const level of [0, 2, 6, 127]) {
    using client = await RawClient.open(url);
    client.sendBytes(connectBytes('MQTT', level, 2, 'level'));
    await client.expect('connack', { returnCode: 1, sessionPresent: false });
    await client.expectClose();
  }
});

test('[MQTT3-3.1.2-3] closes a client that sets the reserved connect flag', async () => {
  using client = await RawClient.open(url);
  client.sendBytes(connectBytes('MQTT', 4, 0b0000_0011, 'reserved'));
  await client.expectClose();
});

test('[MQTT3-3.1.2-13] [MQTT3-3.1.2-15] closes a client with will QoS or will retain but no will', async () => {
  for (const flags of [0b0000_1010, 0b0001_0010, 0b0010_0010]) {
    using client = await RawClient.open(url);
    client.sendBytes(connectBytes('MQTT', 4, flags, 'no-will'));
    await client.expectClose();
  }
});

test('[MQTT3-3.1.2-14] closes a client whose will has QoS 3', async () => {
  using client = await RawClient.open(url);
  client.sendBytes(connectBytes('MQTT', 4, 0b0001_1110, 'will3', 'w', 'x'));
  await client.expectClose();
});

test('[MQTT3-3.1.2-22] closes a 3.1.1 client with a password and no user name', async () => {
  using client = await RawClient.open(url);
  client.sendBytes(connectBytes('MQTT', 4, 0b0100_0010, 'no-user', 'secret'));
  await client.expectClose();
});

test('[MQTT3-3.1.3-5] accepts a client id of 23 letters and digits, and longer ones too', async () => {
  for (const clientId of ['0', '0123456789ABCDEFGHIJKLM', 'NOPQRSTUVWXYZabcdefghij', 'klmnopqrstuvwxyz', 'x'.repeat(200)]) {
    using client = await RawClient.connect(url, { clientId });
    await client.ping();
  }
});

test('[MQTT3-3.1.3-6] gives each client without a client id one of its own', async () => {
  using first = await RawClient.connect(url, { clientId: '' });
  using second = await RawClient.connect(url, { clientId: '' });
  await first.ping();
  await second.ping();
});

test('[MQTT3-3.1.3-8] [MQTT3-3.1.3-9] [MQTT3-3.2.2-4] [MQTT3-3.2.2-5] answers an empty client id without a clean session with return code 2 and closes', async () => {
  using client = await RawClient.open(url);
  client.sendBytes(connectBytes('MQTT', 4, 0, ''));
  await client.expect('connack', { returnCode: 2, sessionPresent: false });
  await client.expectClose();
});

test('[MQTT 3.1, CONNECT] answers an empty client id on MQTT 3.1 with return code 2 and closes', async () => {
  using client = await RawClient.open(url, 3);
  client.sendBytes(connectBytes('MQIsdp', 3, 2, ''));
  await client.expect('connack', { returnCode: 2 });
  await client.expectClose();
});

test('[MQTT3-3.2.2-1] [MQTT3-3.2.2-2] [MQTT3-3.2.2-3] [MQTT3-3.1.4-3] says session present exactly when it resumes one', async () => {
  const steps: [clean: boolean, present: boolean][] = [
    [true, false],
    [false, false],
    [false, true],
    [false, true],
    [true, false],
    [false, false],
  ];
  for (const [clean, present] of steps) {
    using client = await RawClient.connect(url, { clientId: 'present', clean });
    assert.equal(client.connack.sessionPresent, present, `clean ${clean}`);
    await client.disconnect();
  }
});

test('[MQTT 3.1, CONNACK] keeps the reserved byte zero for a 3.1 client that resumes its session', async () => {
  for (let i = 0; i < 2; i++) {
    using client = await RawClient.connect(url, { clientId: 'present31', clean: false, version: 3 });
    assert.equal(client.connack.sessionPresent, false);
    await client.disconnect();
  }
});

test('[MQTT3-3.1.4-2] closes the older client when a second one connects with its client id', async () => {
  using older = await RawClient.connect(url, { clientId: 'taken' });
  await older.subscribe('taken/#');
  using newer = await RawClient.connect(url, { clientId: 'taken' });
  await older.expectClose();
  await newer.subscribe('taken/#');
  newer.publish('taken/a', 'mine');
  await newer.expectMessage('taken/a', 'mine');
});

test('[MQTT3-3.1.4-2] leaves exactly one client when ten connect at once with one client id', async () => {
  const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.open(url)));
  try {
    for (const client of clients) client.sendConnect({ clientId: 'storm', clean: false });
    await Promise.all(clients.map((client) => client.expect('connack', { returnCode: 0 }).catch(() => client.expectClose())));
    using last = await RawClient.connect(url, { clientId: 'storm', clean: false });
    assert.equal(last.connack.sessionPresent, true);
    await Promise.all(clients.map((client) => client.expectClose()));
    await last.ping();
  } finally {
    for (const client of clients) client.destroy();
  }
});

test('[MQTT3-3.1.4-4] answers packets sent right behind CONNECT, after the CONNACK and in order', async () => {
  using client = await RawClient.open(url);
  client.sendConnect();
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'behind/#', qos: 1 }] });
  client.publish('behind/a', 'x', { qos: 1, messageId: 2 });
  client.send({ cmd: 'pingreq' });
  await client.expect('connack', { returnCode: 0 });
  await client.take('suback', { messageId: 1 });
  await client.take('puback', { messageId: 2 });
  await client.take('publish', { topic: 'behind/a' });
  await client.take('pingresp');
});

test('[MQTT3-3.1.4-5] does nothing that a refused client asks for', async () => {
  using watcher = await RawClient.connect(url);
  await watcher.subscribe('refused/#');
  using client = await RawClient.open(url);
  client.sendBytes(connectBytes('MQTT', 4, 0, ''));
  client.publish('refused/a', 'x');
  await client.expect('connack', { returnCode: 2 });
  await client.expectClose();
  watcher.publish('refused/end', 'end');
  await watcher.expectMessage('refused/end', 'end');
});

test('[MQTT3-3.12.4-1] answers every PINGREQ with one PINGRESP', async () => {
  using client = await RawClient.connect(url);
  for (let i = 0; i < 5; i++) client.send({ cmd: 'pingreq' });
  for (let i = 0; i < 5; i++) await client.expect('pingresp');
});

test('[MQTT3-3.1.2-24] closes a client silent for 1.5 × keep-alive, and not one that pings or only acknowledges', {
  timeout: 30_000,
}, async () => {
  using silent = await RawClient.connect(url, { keepalive: 1 });
  using unbound = await RawClient.connect(url, { keepalive: 0 });
  using pinging = await RawClient.connect(url, { keepalive: 1 });
  using acking = await RawClient.connect(url, { keepalive: 1, auto: true });
  await acking.subscribe('alive/#', 1);
  const startMs = performance.now();
  const beat = setInterval(() => {
    pinging.send({ cmd: 'pingreq' });
    unbound.publish('alive/a', 'x', { qos: 1 });
  }, 200);
  try {
    await silent.expectClose();
    const afterMs = performance.now() - startMs;
    assert.ok(afterMs >= 1_400, `closed too early, after ${afterMs} ms`);
    assert.ok(afterMs <= 4_000, `closed too late, after ${afterMs} ms`);
    assert.equal(pinging.closed, false);
    assert.equal(acking.closed, false);
    unbound.publish('alive/end', 'end', { qos: 1 });
    await acking.take('publish', { topic: 'alive/end' });
  } finally {
    clearInterval(beat);
  }
});

test('[MQTT3-3.14.4-3] [MQTT3-4.8.0-1] closes after DISCONNECT and ignores what follows it', async () => {
  using watcher = await RawClient.connect(url);
  await watcher.subscribe('late/#');
  using client = await RawClient.connect(url);
  client.sendBytes([0xe0, 0, 0x30, 8, 0, 6, ...Buffer.from('late/a')]);
  await client.expectClose();
  watcher.publish('late/end', 'end');
  await watcher.expectMessage('late/end', 'end');
});

test("refuses client ids that are the server's own: a role's or a group's place in the journal is nobody else's", async () => {
  for (const clientId of ['$bus/archive', '$share/group/a']) {
    for (const [version, fields] of [
      [4, { returnCode: 2 }],
      [5, { reasonCode: 0x85 }],
    ] as const) {
      using client = await RawClient.open(server.mqttUrl, version);
      client.sendConnect({ version, clientId, clean: true });
      await client.expect('connack', fields);
      await client.expectClose();
    }
  }
});
