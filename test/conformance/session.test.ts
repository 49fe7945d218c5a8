import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Published, RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

// MQTT 5 §4.1 session state, §4.4 delivery again, §3.3.2.3.3 message expiry. 3.1.1 sessions end after one second here.

const server = await shareServer({ set: { 'sessions.maxExpiry': '1s' } });
const lasting: RawConnect = { clean: false, properties: { sessionExpiryInterval: 1 } };
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

/** Resolves when the server's clock says that this many seconds have passed: a will with that delay is published. */
async function pass(seconds: number): Promise<void> {
  using watcher = await connect();
  const topic = `clock/${watcher.clientId}`;
  await watcher.subscribe(topic);
  for (let i = 0; i < seconds; i++) {
    const will = { topic, payload: Buffer.alloc(0), properties: { willDelayInterval: 1 } };
    const client = await connect({ will, properties: { sessionExpiryInterval: 1 } });
    client.destroy();
    await watcher.take('publish', { topic });
  }
}

for (const version of [4, 5] as const) {
  test(`[MQTT-4.1.0-1] [MQTT3-4.1.0-2] a session outlasts its expiry interval while its connection is open (level ${version})`, async () => {
    const session: RawConnect = { version, clientId: `open${version}`, clean: false, auto: true };
    if (version === 5) session.properties = lasting.properties;
    using client = await connect(session);
    await client.subscribe(`open${version}/#`, 1);
    await pass(2);
    using publisher = await connect();
    await publisher.deliver(`open${version}/a`, 'x', { qos: 1 });
    await client.expectMessage(`open${version}/a`, 'x');
    await client.disconnect();
    using back = await connect(session);
    assert.equal(back.connack.sessionPresent, true);
  });
}

for (const qos of [1, 2] as const) {
  test(`[MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.2-3] [MQTT-4.3.3-3] [MQTT-4.6.0-1] sends again what has no PUBACK or PUBREC: packet id, DUP, order (QoS ${qos})`, async () => {
    const name = `again-${qos}`;
    using publisher = await connect({ auto: true });
    using client = await connect({ ...lasting, clientId: name });
    await client.subscribe(name, qos);
    for (let i = 0; i < 8; i++) await publisher.deliver(name, `${i}`, { qos });
    const sent = await client.messages(8);
    const done = sent[3]!;
    client.ack(qos === 1 ? 'puback' : 'pubrec', done.messageId);
    if (qos === 2) {
      await client.expect('pubrel', { messageId: done.messageId });
      client.ack('pubcomp', done.messageId);
    }
    await client.expectQuiet();
    client.destroy();
    using back = await connect({ ...lasting, clientId: name });
    const open = sent.filter((packet) => packet !== done);
    const shape = ({ payload, messageId }: Published) => [payload.toString(), messageId];
    const resent = await back.messages(open.length);
    assert.deepEqual(resent.map(shape), open.map(shape));
    assert.ok(resent.every(({ dup }) => dup));
    await back.expectQuiet();
  });
}

test('[MQTT-4.6.0-1] sends again in the order in which it sent, though QoS 1 and 2 take different times to be sent', async () => {
  using publisher = await connect({ auto: true });
  for (let round = 0; round < 10; round++) {
    const name = `mixed-${round}`;
    using client = await connect({ ...lasting, clientId: name });
    await client.subscribe(name, 2);
    for (let i = 0; i < 8; i++) publisher.publish(name, `${i}`, { qos: i % 2 === 0 ? 2 : 1 });
    const shape = ({ payload, messageId }: Published) => [payload.toString(), messageId];
    const sent = (await client.messages(8)).map(shape);
    client.destroy();
    using back = await connect({ ...lasting, clientId: name });
    assert.deepEqual((await back.messages(8)).map(shape), sent);
  }
});

test('[MQTT-4.4.0-1] [MQTT-4.3.3-5] [MQTT-4.3.3-6] after PUBREC only PUBREL is sent again, until PUBCOMP', async () => {
  using publisher = await connect({ auto: true });
  let messageId: number | undefined;
  {
    using client = await connect({ ...lasting, clientId: 'rel5' });
    await client.subscribe('rel5/a', 2);
    await publisher.deliver('rel5/a', 'x', { qos: 2 });
    ({ messageId } = await client.expectMessage('rel5/a', 'x'));
    client.ack('pubrec', messageId);
    await client.expect('pubrel', { messageId });
  }
  for (const complete of [false, true]) {
    using back = await connect({ ...lasting, clientId: 'rel5' });
    await back.expect('pubrel', { messageId });
    if (complete) back.ack('pubcomp', messageId);
    await back.expectQuiet();
  }
  using done = await connect({ ...lasting, clientId: 'rel5' });
  await done.expectQuiet();
});

test('[MQTT-4.3.3-7] an event does not expire once its PUBLISH has been sent', async () => {
  using publisher = await connect({ auto: true });
  const sent: Published[] = [];
  {
    using client = await connect({ ...lasting, clientId: 'sent5', properties: { sessionExpiryInterval: 60 } });
    await client.subscribe('sent5/a', 2);
    for (const qos of [1, 2] as const) await publisher.deliver('sent5/a', `${qos}`, { qos, properties: { messageExpiryInterval: 1 } });
    sent.push(...(await client.messages(2)));
    await pass(2);
  }
  using back = await connect({ ...lasting, clientId: 'sent5' });
  for (const { messageId, payload } of sent) await back.expectMessage('sent5/a', payload.toString(), { messageId, dup: true });
});
