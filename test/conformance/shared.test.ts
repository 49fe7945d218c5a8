import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Published, RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { closed, field, packet } from './wire.ts';

// MQTT 5 §4.8.2 shared subscriptions.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });
const lasting = (clientId: string): RawConnect => ({ clientId, clean: false, properties: { sessionExpiryInterval: 60 } });

test('[MQTT-4.8.2-1] [MQTT-4.8.2-2] refuses with 0x8F a shared filter without a name, with a wildcard in its name, or without a filter', async () => {
  using client = await connect();
  const { granted } = await client.subscribe(
    ['$share//a', '$share/g', '$share/g/', '$share/+/a', '$share/g#/a', '$share/#', '$share/g/a'],
    1,
  );
  assert.deepEqual(granted, [0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 1]);
});

test('[MQTT-3.8.3-4] tells 0x82 to a client that wants no local on a shared subscription', async () => {
  using client = await connect();
  client.sendBytes(packet(0x82, [0, 1, 0], field('$share/g/a'), [0x05]));
  await client.expect('disconnect', { reasonCode: 0x82 });
  await client.expectClose();
});

test('[MQTT-4.8.2-3] each event goes to one member, at the QoS that this one was granted', async () => {
  using publisher = await connect({ auto: true });
  const members: RawClient[] = [];
  try {
    for (const qos of [0, 1, 2] as const) {
      const member = await connect({ auto: true });
      members.push(member);
      await member.subscribe('$share/qos/granted/#', qos);
    }
    const got = (): Published[][] => members.map(({ history }) => history.filter((packet) => packet.cmd === 'publish'));
    const count = 60;
    for (let i = 0; i < count; i++) await publisher.deliver('granted/a', `${i}`, { qos: 2 });
    const deadlineMs = performance.now() + 10_000;
    while (got().flat().length < count) {
      assert.ok(performance.now() < deadlineMs, `${got().flat().length} of ${count} arrived`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const [qos, packets] of got().entries()) assert.deepEqual([...new Set(packets.map((packet) => packet.qos))], [qos]);
    const numbers = got()
      .flat()
      .map(({ payload }) => Number(payload));
    assert.equal(new Set(numbers).size, count);
    assert.equal(numbers.length, count);
  } finally {
    for (const member of members) member.destroy();
  }
});

/** A member that holds a QoS 2 delivery, and another that has come since. */
async function holdDelivery(name: string): Promise<{ member: RawClient; other: RawClient; messageId: number }> {
  using publisher = await connect({ auto: true });
  const member = await connect(lasting(name));
  await member.subscribe(`$share/${name}/${name}/#`, 2);
  await publisher.deliver(`${name}/a`, 'x', { qos: 2 });
  const { messageId } = await member.expectMessage(`${name}/a`, 'x', { qos: 2 });
  const other = await connect({ auto: true });
  await other.subscribe(`$share/${name}/${name}/#`, 2);
  return { member, other, messageId: messageId! };
}

test('[MQTT-4.8.2-4] a QoS 2 delivery that a broken connection interrupts waits for its member', async () => {
  const { member, other, messageId } = await holdDelivery('kept-share');
  member.destroy();
  await closed(member);
  await other.expectQuiet();
  using back = await connect(lasting('kept-share'));
  await back.expectMessage('kept-share/a', 'x', { messageId, dup: true, qos: 2 });
  back.ack('pubrec', messageId);
  await back.expect('pubrel', { messageId });
  back.ack('pubcomp', messageId);
  await other.expectQuiet();
  other.destroy();
});

test('[MQTT-4.8.2-5] when the session of that member ends its QoS 2 delivery goes to nobody', async () => {
  const { member, other } = await holdDelivery('ended-share');
  member.destroy();
  await closed(member);
  using fresh = await connect({ clientId: 'ended-share', clean: true });
  await other.expectQuiet();
  await fresh.expectQuiet();
  other.destroy();
});

test('[MQTT-4.8.2-6] what a member answers with 0x80 or more goes to nobody else', async () => {
  using publisher = await connect({ auto: true });
  using member = await connect();
  await member.subscribe('$share/refused/refused-share/#', 2);
  for (const qos of [1, 2] as const) await publisher.deliver('refused-share/a', `${qos}`, { qos });
  const [first, second] = (await member.messages(2)) as [Published, Published];
  using other = await connect({ auto: true });
  await other.subscribe('$share/refused/refused-share/#', 2);
  member.send({ cmd: 'puback', messageId: first.messageId, reasonCode: 0x83 });
  member.send({ cmd: 'pubrec', messageId: second.messageId, reasonCode: 0x83 });
  await member.ping();
  await member.unsubscribe('$share/refused/refused-share/#');
  await other.expectQuiet();
  await member.expectQuiet();
});
