import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HydrantError } from '../core/errors.ts';
import { within } from '../testing/deadline.ts';
import { startScriptedServer } from '../testing/scripted-server.ts';
import { connectClient } from './client.ts';
import type { Connection } from './connection.ts';
import type { Packet } from './packet.ts';

const LIMIT_MS = 20_000;
const coded = (code: string, text: RegExp) => (error: HydrantError) => error.code === code && text.test(error.message);

/** Takes a CONNECT, leaves the rest to `then`. */
function accept(then: (packet: Packet, connection: Connection) => void = () => {}) {
  return (packet: Packet, connection: Connection): void => {
    if (packet.cmd === 'connect') connection.send({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: false });
    else if (packet.cmd === 'disconnect') connection.close();
    else then(packet, connection);
  };
}

test('a publish that the server refuses throws HYD_REFUSED, and the next one goes on', async () => {
  await using server = await startScriptedServer(
    accept((packet, connection) => {
      if (packet.cmd !== 'publish') return;
      const refused = packet.topic === 'no';
      const cmd = packet.qos === 1 ? 'puback' : refused ? 'pubrec' : 'pubcomp';
      if (refused) connection.send({ cmd, messageId: packet.messageId, reasonCode: 0x97 });
      else connection.sendAck('puback', packet.messageId!);
    }),
  );
  await using client = await connectClient({ url: server.url, version: 5, maxInFlight: 1 });
  const all = await Promise.allSettled([
    client.publish({ topic: 'no', payload: '', qos: 1 }),
    client.publish({ topic: 'yes', payload: '', qos: 1 }),
    client.publish({ topic: 'no', payload: '', qos: 2 }),
    client.publish({ topic: 'yes', payload: '', qos: 1 }),
  ]);
  assert.deepEqual(
    all.map((each) => (each.status === 'rejected' ? each.reason.code : 'ok')),
    ['HYD_REFUSED', 'ok', 'HYD_REFUSED', 'ok'],
  );
  assert.match((all[0] as PromiseRejectedResult).reason.message, /quota exceeded \(0x97\)/);
});

test('a filter that the server refuses throws HYD_REFUSED and names it', async () => {
  await using server = await startScriptedServer(
    accept((packet, connection) => {
      if (packet.cmd === 'subscribe') connection.send({ cmd: 'suback', messageId: packet.messageId, granted: [1, 0x80] });
    }),
  );
  await using client = await connectClient({ url: server.url });
  await assert.rejects(client.subscribe([{ filter: 'good', qos: 1 }, 'bad/#']), coded('HYD_REFUSED', /bad\/#: unspecified error \(0x80\)/));
});

test('the window and the Receive Maximum of the server bound what is out at once, identifiers wrap and are not reused in flight', async () => {
  let most = 0;
  let count = 0;
  let out: number[] = [];
  const ids: number[] = [];
  await using server = await startScriptedServer((packet, connection) => {
    if (packet.cmd === 'connect') {
      connection.send({ cmd: 'connack', reasonCode: 0, sessionPresent: false, properties: { receiveMaximum: 20 } });
    } else if (packet.cmd === 'disconnect') connection.close();
    else if (packet.cmd === 'publish') {
      ids.push(packet.messageId!);
      // The first is answered last, so its identifier is in use while the others go round.
      if (++count > 1 && out.push(packet.messageId!) === 1) setImmediate(answer, connection);
      most = Math.max(most, out.length + 1);
    }
  });
  const answer = (connection: Connection): void => {
    for (const id of out) connection.sendAck('puback', id);
    out = [];
    if (count === 70_000) connection.sendAck('puback', 1);
  };
  await using client = await connectClient({ url: server.url, version: 5 });
  await Promise.all(Array.from({ length: 70_000 }, () => client.publish({ topic: 't', payload: '', qos: 1 })));
  assert.equal(most, 20);
  assert.deepEqual([ids[0], ids[65_534], ids[65_535]], [1, 65_535, 2]);
});

test('QoS 2 is received once within a connection, whatever the server repeats', async () => {
  const publish: Packet = { cmd: 'publish', topic: 't', payload: Buffer.from('once'), qos: 2, retain: false, dup: false, messageId: 5 };
  const acks: string[] = [];
  let round = 0;
  await using server = await startScriptedServer(
    accept((packet, connection) => {
      if (packet.cmd === 'subscribe') {
        connection.send({ cmd: 'suback', messageId: packet.messageId, granted: [2] });
        connection.send(publish);
        connection.send({ ...publish, dup: true });
      }
      if (packet.cmd === 'pubrec') {
        acks.push('pubrec');
        if (++round === 1) connection.send({ ...publish, dup: true });
        else connection.sendAck('pubrel', 5);
      }
      if (packet.cmd === 'pubcomp') {
        acks.push(`pubcomp ${packet.reasonCode ?? 0}`);
        if (acks.length === 3) connection.sendAck('pubrel', 5);
        if (acks.length === 4) connection.send({ ...publish, payload: Buffer.from('next') });
      }
    }),
  );
  await using client = await connectClient({ url: server.url, version: 5 });
  await client.subscribe([{ filter: 't', qos: 2 }]);
  const seen: string[] = [];
  for await (const batch of client.messages) {
    for (const message of batch) {
      seen.push(message.payload.toString());
      message.ack();
      message.ack();
    }
    if (seen.includes('next')) break;
  }
  assert.deepEqual(seen, ['once', 'next']);
  assert.deepEqual(acks.slice(0, 4), ['pubrec', 'pubrec', 'pubcomp 0', 'pubcomp 146']);
});

test('a DISCONNECT of the server ends the client with its words', async () => {
  await using server = await startScriptedServer(
    accept((packet, connection) => {
      if (packet.cmd === 'publish') connection.send({ cmd: 'disconnect', reasonCode: 0x8e });
    }),
  );
  const client = await connectClient({ url: server.url, version: 5 });
  await assert.rejects(client.publish({ topic: 't', payload: '', qos: 1 }), coded('HYD_CONNECT', /session taken over \(0x8e\)/));
  assert.equal((await client.closed).reasonCode, 0x8e);
});

test('a server of 3.1.1 that refuses MQTT 5 in its own form is understood', async () => {
  await using server = await startScriptedServer((_, connection) => connection.sendShared(Buffer.from('20020001', 'hex'), -1, 0));
  await assert.rejects(connectClient({ url: server.url, version: 5 }), coded('HYD_REFUSED', /unacceptable protocol version/));
});

test('a server that breaks the protocol ends the client with HYD_CONNECT and the fault as cause', async () => {
  await using server = await startScriptedServer(
    accept((packet, connection) => {
      if (packet.cmd === 'pingreq') connection.sendShared(Buffer.from('30050003618062', 'hex'), -1, 0);
    }),
  );
  const client = await connectClient({ url: server.url });
  await assert.rejects(client.ping(), (error: HydrantError) => {
    return error.code === 'HYD_CONNECT' && (error.cause as { reason?: string }).reason === 'bad-utf8';
  });
});

test('QoS 0 beyond 1 MiB waits until the server reads on', async () => {
  await using server = await startScriptedServer(accept());
  await using client = await connectClient({ url: server.url });
  server.connection.pauseReading();
  const payload = Buffer.alloc(1_000_000);
  let settled = 0;
  const publishes = Array.from({ length: 30 }, () => client.publish({ topic: 't', payload }).then(() => settled++));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(settled < 30, 'all settled although the server does not read');
  server.connection.resumeReading();
  await within(Promise.all(publishes), LIMIT_MS, 'the publishes to be written');
});

test('a signal cuts a standing connection and everything that waits says HYD_ABORTED', async () => {
  await using server = await startScriptedServer(accept());
  const stop = new AbortController();
  const client = await connectClient({ url: server.url, signal: stop.signal });
  const publish = client.publish({ topic: 't', payload: '', qos: 1 });
  stop.abort();
  await assert.rejects(publish, coded('HYD_ABORTED', /stopped/));
  assert.equal((await client.closed).error?.code, 'HYD_ABORTED');
});

test('close gives up on a publish that is never acknowledged after its time', async () => {
  await using server = await startScriptedServer(accept());
  const client = await connectClient({ url: server.url });
  const refused = assert.rejects(client.publish({ topic: 't', payload: '', qos: 1 }), coded('HYD_CONNECT', /lost/));
  await client.close({ timeoutMs: 50 });
  await refused;
  assert.deepEqual(await client.closed, {});
});
