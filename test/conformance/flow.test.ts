import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { field, packet, properties, recordFrames } from './wire.ts';

// MQTT 5 §4.9 flow control, §3.1.2.11.4 maximum packet size, §3.3.2.3.4 topic aliases.

const server = await shareServer({ set: { 'limits.topicAliases': 5 } });
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

test('[MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3] [MQTT-3.3.4-10] at the receive maximum nothing is published above QoS 0, and all else goes on', async () => {
  using publisher = await connect({ auto: true });
  using client = await connect({ properties: { receiveMaximum: 1 } });
  await client.subscribe('quota/#', 2);
  for (let i = 0; i < 3; i++) await publisher.deliver('quota/a', `${i}`, { qos: 2 });
  const { messageId } = await client.expectMessage('quota/a', '0');
  await client.ping();
  client.ack('pubrec', messageId);
  await client.expect('pubrel', { messageId });
  await publisher.deliver('quota/a', 'zero');
  await client.expectMessage('quota/a', 'zero', { qos: 0 });
  await client.deliver('quota-other', 'x', { qos: 1 });
  await client.subscribe('quota-other');
  await client.unsubscribe('quota-other');
  await client.expectQuiet();
  client.ack('pubcomp', messageId);
  await client.expectMessage('quota/a', '1');
  await client.expectQuiet();
});

test('[MQTT-4.9.0-2] PUBREC of 0x80 or more gives its place back at once', async () => {
  using publisher = await connect({ auto: true });
  using client = await connect({ properties: { receiveMaximum: 1 } });
  await client.subscribe('refused5/#', 2);
  for (let i = 0; i < 2; i++) await publisher.deliver('refused5/a', `${i}`, { qos: 2 });
  const { messageId } = await client.expectMessage('refused5/a', '0');
  client.send({ cmd: 'pubrec', messageId, reasonCode: 0x83 });
  await client.expectMessage('refused5/a', '1');
});

test('[MQTT-3.3.2-8] [MQTT-3.3.2-9] tells 0x94 to a client that uses topic alias 0, or one above the maximum', async () => {
  for (const alias of [0, 6, 65_535]) {
    using client = await connect();
    client.sendBytes(packet(0x30, field('alias'), properties([0x23, alias >> 8, alias & 255])));
    await client.expect('disconnect', { reasonCode: 0x94 });
    await client.expectClose();
  }
});

test('[MQTT-3.1.2-24] [MQTT-3.1.2-25] an event of exactly the size the client takes is sent, one byte more is as if delivered', async () => {
  using publisher = await connect({ auto: true });
  const session = { clientId: 'exact', clean: false, auto: true, properties: { maximumPacketSize: 100, sessionExpiryInterval: 60 } };
  const fitting = 100 - 2 - 9 - 2 - 1;
  using client = await connect(session);
  await client.subscribe('exact/a', 2);
  const frames = recordFrames(client);
  for (const qos of [1, 2] as const) {
    for (const size of [fitting + 1, fitting]) await publisher.deliver('exact/a', 'x'.repeat(size), { qos });
    await client.expectMessage('exact/a', 'x'.repeat(fitting));
    if (qos === 2) await client.expect('pubrel');
  }
  assert.deepEqual(
    frames.filter((frame) => frame[0]! >> 4 === 3).map((frame) => frame.length),
    [100, 100],
  );
  await client.disconnect();
  using back = await connect({ ...session, properties: { sessionExpiryInterval: 60 } });
  await back.expectQuiet();
});
