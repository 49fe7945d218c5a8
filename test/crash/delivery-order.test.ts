import assert from 'node:assert/strict';
import { type Published, RawClient } from '../../src/testing/raw-client.ts';
import { seen, type Try, testWait } from './crash-order.ts';

const STATE_POINTS = ['state.before-commit', 'state.after-commit'];

const resume = (url: string, clientId: string): Promise<RawClient> => RawClient.connect(url, { clientId, clean: false });

/** A session with three QoS 2 events waiting. */
async function prepareThree({ url, id }: Try): Promise<void> {
  using client = await resume(url, id);
  await client.subscribe(`${id}/#`, 2);
  await client.disconnect();
  using publisher = await RawClient.connect(url, { auto: true });
  for (const payload of ['1', '2', '3']) await publisher.deliver(`${id}/a`, payload, { qos: 2 });
}

/** Takes what is sent until all three events have arrived or the server is gone. */
async function takeThree(client: RawClient): Promise<Published[]> {
  const got: Published[] = [];
  while (got.length < 3) {
    const packet = await seen<Published>(client.take('publish'));
    if (!packet) break;
    got.push(packet);
  }
  return got;
}

testWait('an outbound QoS 2 PUBLISH waits for the state: it comes again under its own packet id, never under another', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  prepare: prepareThree,
  async act({ url, id }) {
    const client = await seen(resume(url, id));
    return { events: client ? await takeThree(client) : [] };
  },
  answered: (wire) => wire.events.length === 3,
  async check({ url, id }, wire) {
    using client = await resume(url, id);
    const again = await client.messages(3);
    assert.deepEqual(
      again.map((packet) => packet.payload.toString()),
      ['1', '2', '3'],
    );
    for (const [i, before] of wire.events.entries()) {
      assert.equal(again[i]?.messageId, before.messageId, `event ${i + 1} under another packet id`);
      assert.equal(again[i]?.dup, true);
    }
    const ids = again.map((packet) => packet.messageId as number);
    assert.equal(new Set(ids).size, 3);
    for (const messageId of ids) client.ack('pubrec', messageId);
    for (const messageId of ids) {
      await client.take('pubrel', { messageId });
      client.ack('pubcomp', messageId);
    }
    await client.expectQuiet();
  },
});

testWait('PUBREL waits for the state: once it was sent, that event never comes again', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  async prepare(given) {
    await prepareThree(given);
    using client = await resume(given.url, given.id);
    await takeThree(client);
    await client.ping();
  },
  async act({ url, id }) {
    const client = await seen(resume(url, id));
    const got = client ? await takeThree(client) : [];
    const released: number[] = [];
    for (const packet of got) client?.ack('pubrec', packet.messageId);
    for (const { messageId } of got) {
      if (client && (await seen(client.take('pubrel', { messageId })))) released.push(messageId as number);
    }
    return { got: got.map((packet) => packet.messageId as number), released };
  },
  answered: (wire) => wire.released.length === 3,
  async check({ url, id }, wire) {
    using client = await resume(url, id);
    const marker = await RawClient.connect(url);
    await marker.deliver(`${id}/end`, 'end', { qos: 1 });
    marker.destroy();
    const released = new Set<number>();
    const repeated = new Set<number>();
    const isOpen = (messageId: number): boolean => !repeated.has(messageId) && !released.has(messageId);
    // A PUBREL that is sent again waits for the state, and may come after the marker.
    for (let ended = false; !ended || wire.got.some(isOpen); ) {
      const packet = await client.next();
      if (packet.cmd === 'publish' && packet.topic === `${id}/end`) ended = true;
      else (packet.cmd === 'publish' ? repeated : released).add(packet.messageId as number);
    }
    for (const messageId of wire.released) {
      assert.ok(!repeated.has(messageId), `packet id ${messageId} was published again after its PUBREL`);
      assert.ok(released.has(messageId), `PUBREL ${messageId} was not sent again`);
    }
    for (const messageId of wire.got) assert.ok(repeated.has(messageId) !== released.has(messageId), `packet id ${messageId} is lost`);
  },
});
