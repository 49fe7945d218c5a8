import assert from 'node:assert/strict';
import { RawClient } from '../../src/testing/raw-client.ts';
import { seen, testWait } from './crash-order.ts';

const STATE_POINTS = ['state.before-commit', 'state.after-commit'];

async function publish(url: string, topic: string, payload: string): Promise<void> {
  using client = await RawClient.connect(url);
  await client.deliver(topic, payload, { qos: 1 });
}

const resume = (url: string, clientId: string): Promise<RawClient> => RawClient.connect(url, { clientId, clean: false, auto: true });

testWait('CONNACK of a session created waits for the state: the session is there after the crash', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  async act({ url, id }) {
    using client = await RawClient.open(url);
    client.sendConnect({ clientId: id, clean: false });
    return { connack: await seen(client.take('connack')) };
  },
  answered: (wire) => wire.connack !== undefined,
  async check({ url, id }, wire) {
    using client = await resume(url, id);
    if (wire.connack) assert.equal(client.connack.sessionPresent, true);
  },
});

testWait('CONNACK of a session cleaned waits for the state: nothing of the old one is back after the crash', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  async prepare({ url, id }) {
    using client = await resume(url, id);
    await client.subscribe(`${id}/#`, 1);
    await client.disconnect();
    await publish(url, `${id}/a`, 'waiting');
  },
  async act({ url, id }) {
    using client = await RawClient.open(url);
    client.sendConnect({ clientId: id, clean: true });
    return { connack: await seen(client.take('connack')) };
  },
  answered: (wire) => wire.connack !== undefined,
  async check({ url, id }, wire) {
    await publish(url, `${id}/a`, 'later');
    using client = await resume(url, id);
    if (wire.connack) assert.equal(client.connack.sessionPresent, false);
    if (client.connack.sessionPresent) {
      await client.expectMessage(`${id}/a`, 'waiting');
      await client.expectMessage(`${id}/a`, 'later');
    }
    await client.expectQuiet();
  },
});

testWait('CONNACK of a session resumed waits for the state: it is resumed again after the crash, with what it missed', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  async prepare({ url, id }) {
    using client = await resume(url, id);
    await client.subscribe(`${id}/#`, 1);
    await client.disconnect();
    await publish(url, `${id}/a`, 'missed');
  },
  async act({ url, id }) {
    using client = await RawClient.open(url);
    client.sendConnect({ clientId: id, clean: false });
    const connack = await seen(client.take('connack'));
    return { connack, event: connack && (await seen(client.take('publish'))) };
  },
  answered: (wire) => wire.connack !== undefined,
  async check({ url, id }, wire) {
    if (wire.connack) assert.equal(wire.connack.sessionPresent, true);
    using client = await resume(url, id);
    assert.equal(client.connack.sessionPresent, true);
    await client.expectMessage(`${id}/a`, 'missed', { qos: 1 });
    await client.expectQuiet();
  },
});

testWait('SUBACK waits for the state: the subscription stands after the crash', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  async prepare({ url, id }) {
    using client = await resume(url, id);
    await client.disconnect();
  },
  async act({ url, id }) {
    const client = await seen(resume(url, id));
    return { suback: client && (await seen(client.subscribe(`${id}/#`, 1))) };
  },
  answered: (wire) => wire.suback !== undefined,
  async check({ url, id }, wire) {
    await publish(url, `${id}/a`, 'x');
    using client = await resume(url, id);
    assert.equal(client.connack.sessionPresent, true);
    if (wire.suback) await client.expectMessage(`${id}/a`, 'x', { qos: 1 });
  },
});

testWait('UNSUBACK waits for the state: the subscription is not back after the crash', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  async prepare({ url, id }) {
    using client = await resume(url, id);
    await client.subscribe([`${id}/a`, `${id}/b`], 1);
    await client.disconnect();
  },
  async act({ url, id }) {
    const client = await seen(resume(url, id));
    return { unsuback: client && (await seen(client.unsubscribe(`${id}/a`))) };
  },
  answered: (wire) => wire.unsuback !== undefined,
  async check({ url, id }, wire) {
    await publish(url, `${id}/a`, 'a');
    await publish(url, `${id}/b`, 'b');
    using client = await resume(url, id);
    assert.equal(client.connack.sessionPresent, true);
    if (!wire.unsuback && (await client.take('publish')).topic === `${id}/b`) return;
    await client.expectMessage(`${id}/b`, 'b');
    await client.expectQuiet();
  },
});

testWait('CONNACK of a client with a will waits for the state: the will is published after the crash', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  set: { 'sessions.willGrace': '0s' },
  async prepare({ url, id }) {
    using client = await resume(url, `${id}-watch`);
    await client.subscribe(`${id}/#`, 1);
    await client.disconnect();
  },
  async act({ url, id }) {
    using client = await RawClient.open(url);
    client.sendConnect({ clientId: id, clean: false, will: { topic: `${id}/will`, payload: Buffer.from('gone'), qos: 1 } });
    return { connack: await seen(client.take('connack')) };
  },
  answered: (wire) => wire.connack !== undefined,
  async check({ url, id }, wire) {
    using watcher = await resume(url, `${id}-watch`);
    if (wire.connack) await watcher.expectMessage(`${id}/will`, 'gone', { qos: 1 });
  },
});
