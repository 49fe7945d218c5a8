import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { HydrantError } from '../core/errors.ts';
import { within } from '../testing/deadline.ts';
import { freePort, type Mosquitto, startMosquitto } from '../testing/mosquitto.ts';
import { type Client, connectClient } from './client.ts';
import type { Message } from './incoming.ts';
import { Sweeper } from './sweeper.ts';

const LIMIT_MS = 20_000;

/** The next `count` messages, acknowledged unless told otherwise. */
async function take(client: Client, count: number, acknowledge = true): Promise<Message[]> {
  const all: Message[] = [];
  const run = async (): Promise<void> => {
    for await (const batch of client.messages) {
      all.push(...batch);
      if (acknowledge) for (const message of batch) message.ack();
      if (all.length >= count) return;
    }
  };
  await within(run(), LIMIT_MS, () => `${count} messages, ${all.length} came`);
  return all;
}

const coded = (code: string, text: RegExp) => (error: HydrantError) => error.code === code && text.test(error.message);

describe('a client at Mosquitto', () => {
  let server: Mosquitto;
  before(async () => {
    server = await startMosquitto({ ws: true });
  });
  after(async () => {
    await server?.stop();
  });

  for (const kind of ['mqtt', 'ws'] as const) {
    for (const version of [4, 5] as const) {
      test(`publishes and receives at every QoS over ${kind}, version ${version}, numbered, in order, once`, async () => {
        const url = kind === 'ws' ? `ws://127.0.0.1:${server.wsPort}/any` : server.url;
        await using reader = await connectClient({ url, version });
        await using writer = await connectClient({ url, version, maxInFlight: 50 });
        const topic = `all/${kind}/${version}`;
        // Mosquitto's websockets hand out a message or so per turn of its loop.
        const count = kind === 'ws' ? 30 : 500;
        for (const qos of [0, 1, 2] as const) {
          assert.deepEqual(await reader.subscribe([{ filter: topic, qos }, 'other/#']), [qos, 0]);
          const sent = Array.from({ length: count }, (_, n) => ({
            topic,
            payload: `${n}`.padEnd(n === 7 ? 50_000 : 10, '.'),
            qos,
          }));
          const received = take(reader, sent.length);
          await Promise.all(sent.map((each) => writer.publish(each)));
          const got = await received;
          assert.deepEqual(
            got.map((message) => [message.payload.toString(), message.qos]),
            sent.map((each) => [each.payload, qos]),
          );
          await reader.unsubscribe([topic]);
        }
      });
    }
  }

  test('user properties and the rest of MQTT 5 arrive as sent', async () => {
    await using client = await connectClient({ url: server.url, version: 5 });
    await client.subscribe([{ filter: 'five', qos: 1 }], { subscriptionIdentifier: 77 });
    const userProperties: [string, string][] = [
      ['z', '1'],
      ['1', 'x'],
      ['z', '2'],
    ];
    const properties = { contentType: 'text/plain', responseTopic: 'r', correlationData: Buffer.from('c'), payloadFormatIndicator: true };
    await client.publish({ topic: 'five', payload: 'x', qos: 1, properties, userProperties });
    const [message] = await take(client, 1);
    assert.deepEqual(message?.userProperties, userProperties);
    assert.deepEqual({ ...message?.properties }, { ...properties, subscriptionIdentifier: 77 });
  });

  test('what is not acknowledged comes again to the session, what is does not', async () => {
    const options = { url: server.url, clientId: 'kept', clean: false } as const;
    const first = await connectClient(options);
    assert.equal(first.sessionPresent, false);
    await first.subscribe([{ filter: 'kept/#', qos: 2 }]);
    for (const n of [1, 2, 3, 4]) await first.publish({ topic: `kept/${n}`, payload: '', qos: n % 2 ? 1 : 2 });
    const messages = await take(first, 4, false);
    messages[0]!.ack();
    messages[1]!.ack();
    messages[3]!.ack();
    await first.ping();
    first.destroy();
    assert.equal((await first.closed).error?.code, 'HYD_CONNECT');
    const second = await connectClient(options);
    assert.equal(second.sessionPresent, true);
    const again = await take(second, 2);
    assert.deepEqual(
      again.map((message) => [message.topic, message.dup]),
      [
        ['kept/3', true],
        ['kept/4', true],
      ],
      'the acknowledgement of 4 waited for that of 3',
    );
    await second.close();
    assert.deepEqual(await second.closed, {});
    await (await connectClient({ ...options, clean: true })).close();
  });

  test('closing lets publishes settle, ends the reader and refuses what comes later', async () => {
    const client = await connectClient({ url: server.url, maxInFlight: 5 });
    await client.subscribe([{ filter: 'close/#', qos: 1 }]);
    const publishes = Array.from({ length: 200 }, (_, n) => client.publish({ topic: `close/${n}`, payload: 'x', qos: 1 }));
    const reader = (async () => {
      let count = 0;
      for await (const batch of client.messages) {
        count += batch.length;
        for (const message of batch) message.ack();
      }
      return count;
    })();
    await client.close();
    await Promise.all(publishes);
    assert.ok((await within(reader, LIMIT_MS, 'the reader to end')) > 0);
    await assert.rejects(client.publish({ topic: 'close/late', payload: '' }), coded('HYD_CONNECT', /is lost|closed/));
    await client.close();
  });

  test('a will is sent when the client is cut, not when it closes', async () => {
    await using reader = await connectClient({ url: server.url });
    await reader.subscribe(['will/#']);
    const closing = await connectClient({ url: server.url, will: { topic: 'will/closed', payload: Buffer.from('w') } });
    await closing.close();
    const cut = await connectClient({ url: server.url, will: { topic: 'will/cut', payload: Buffer.from('w') } });
    cut.destroy();
    assert.deepEqual(
      (await take(reader, 1)).map((message) => message.topic),
      ['will/cut'],
    );
  });

  test('a topic with a wildcard and a broken filter are refused before anything is sent', async () => {
    await using client = await connectClient({ url: server.url });
    await assert.rejects(client.publish({ topic: 'a/+', payload: '' }), coded('HYD_TOPIC', /a\/\+/));
    await assert.rejects(client.subscribe(['a#']), coded('HYD_FILTER', /a#/));
    await client.ping();
  });

  test('a reader that is slow stops reading and loses nothing', async () => {
    await using reader = await connectClient({ url: server.url, maxQueuedBytes: 10_000 });
    await using writer = await connectClient({ url: server.url });
    await reader.subscribe([{ filter: 'slow', qos: 1 }]);
    const received = (async () => {
      const all: string[] = [];
      for await (const batch of reader.messages) {
        assert.ok(batch.length <= 11, `${batch.length} messages in a batch, though 10 kB may be queued`);
        for (const message of batch) {
          all.push(message.payload.toString().slice(0, 4));
          message.ack();
        }
        if (all.length === 300) return all;
      }
      return all;
    })();
    for (let n = 0; n < 300; n++) void writer.publish({ topic: 'slow', payload: `${n}`.padStart(4, '0').padEnd(1000), qos: 1 });
    const all = await within(received, LIMIT_MS, '300 messages');
    assert.deepEqual(
      all,
      Array.from({ length: 300 }, (_, n) => `${n}`.padStart(4, '0')),
    );
  });
});

test('a QoS 0 publish resolves however large it is, also when the kernel takes all of it at once', async () => {
  const server = await startMosquitto({});
  try {
    await using client = await connectClient({ url: server.url });
    for (const bytes of [900_000, 1_100_000, 2_000_000, 10_000_000]) {
      await within(client.publish({ topic: 'big', payload: Buffer.alloc(bytes), qos: 0 }), LIMIT_MS, () => `${bytes} bytes`);
    }
  } finally {
    await server.stop();
  }
});

test('a server that dies ends every promise with HYD_CONNECT', async () => {
  await using server = await startMosquitto();
  const client = await connectClient({ url: server.url });
  await server.kill('SIGSTOP');
  const waiting = [
    client.publish({ topic: 't', payload: 'x', qos: 1 }),
    client.publish({ topic: 't', payload: 'x', qos: 2 }),
    client.subscribe(['t']),
    client.ping(),
    (async () => {
      for await (const _ of client.messages);
    })(),
  ];
  const settled = Promise.allSettled(waiting);
  await server.kill('SIGKILL');
  for (const each of await within(settled, LIMIT_MS, 'every promise to settle')) {
    assert.equal(each.status === 'rejected' && each.reason.code, 'HYD_CONNECT');
  }
  assert.equal((await client.closed).error?.code, 'HYD_CONNECT');
});

test('a server that hangs is found by the keep-alive, and keep-alive holds a quiet connection', async () => {
  await using server = await startMosquitto();
  let nowMs = 0;
  const sweeper = new Sweeper({ clock: () => nowMs, intervalMs: 0 });
  const client = await connectClient({ url: server.url, keepAliveSeconds: 10, pingTimeoutMs: 3000, sweeper });
  const pass = (ms: number): void => {
    nowMs += ms;
    sweeper.sweep();
  };
  pass(6000);
  await client.ping();
  pass(1000);
  await server.kill('SIGSTOP');
  for (let i = 0; i < 12; i++) pass(1000);
  const end = await within(client.closed, LIMIT_MS, 'the hanging server to be found');
  assert.match(end.error!.message, /no answer to a ping within 3 s/);
});

test('no server, a wrong URL, a stopped attempt and a silent server each say so', async () => {
  const port = await freePort();
  await assert.rejects(connectClient({ url: `mqtt://u:secret@127.0.0.1:${port}` }), (error: HydrantError) => {
    return coded('HYD_CONNECT', new RegExp(`mqtt://127.0.0.1:${port}.*ECONNREFUSED`))(error) && !error.message.includes('secret');
  });
  await assert.rejects(connectClient({ url: `ws://127.0.0.1:${port}/mqtt` }), coded('HYD_CONNECT', /ECONNREFUSED/));
  await assert.rejects(connectClient({ url: 'http://127.0.0.1' }), coded('HYD_USAGE', /http:/));
  await assert.rejects(connectClient({ url: `mqtt://127.0.0.1:${port}`, signal: AbortSignal.abort() }), coded('HYD_ABORTED', /stopped/));
  await using server = await startMosquitto();
  await server.kill('SIGSTOP');
  await assert.rejects(connectClient({ url: server.url, connectTimeoutMs: 300 }), coded('HYD_CONNECT', /no answer within 0.3 s/));
  const stop = new AbortController();
  const attempt = connectClient({ url: server.url, signal: stop.signal });
  setImmediate(() => stop.abort());
  await assert.rejects(attempt, coded('HYD_ABORTED', /stopped/));
});

test('a refused login and a refused filter throw HYD_REFUSED with the words of the standard', async () => {
  await using server = await startMosquitto({ config: ['allow_anonymous false'] });
  for (const [version, text] of [
    [4, /not authorized \(0x05\)/],
    [5, /not authorized \(0x87\)/],
  ] as const) {
    await assert.rejects(connectClient({ url: server.url, version }), coded('HYD_REFUSED', text));
  }
});
