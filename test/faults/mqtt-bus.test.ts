import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Delivery, Gap } from '../../src/bus/bus.ts';
import { type MqttBus, openMqttBus } from '../../src/bus/mqtt/mqtt-bus.ts';
import { startBreakingProxy } from '../../src/testing/breaking-proxy.ts';
import { within } from '../../src/testing/deadline.ts';
import { DeliveryLog } from '../../src/testing/delivery-log.ts';
import { startHydrant } from '../../src/testing/hydrant-server.ts';
import { MemoryInbox } from '../../src/testing/memory-inbox.ts';
import { type Mosquitto, startMosquitto } from '../../src/testing/mosquitto.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const LIMIT_MS = 60_000;
/** By default it drops what comes for a reader that has 1 000 messages waiting. */
const config = ['max_queued_messages 0'];
const FAST = { keepAliveSeconds: 1, connectTimeoutMs: 1000, timing: { random: () => 0.1 } };

interface Stream {
  log: DeliveryLog;
  gaps: Gap[];
  /** Publishes so many more, half of them at QoS 2, and resolves when all are acknowledged. */
  publish(count: number): Promise<void>;
  /** Resolves when everything published has arrived. */
  complete(): Promise<void>;
  /** Numbers at QoS 2 that came more than once, not marked as repeats where that may be. */
  twice(mayBeMarked?: boolean): number[];
}

/** A durable reader with an inbox, and a publisher, each over a bus of its own. */
async function open(reading: MqttBus, writing: MqttBus): Promise<Stream> {
  const inbox = new MemoryInbox();
  const gaps: Gap[] = [];
  let sent = 0;
  const take = (delivery: Delivery): void => {
    const { inbound } = delivery.event;
    if (inbound?.startsWith(`${inbox.incarnation}:`)) inbox.stored.add(Number(inbound.split(':')[1]));
    // Some deliveries are out while the link breaks.
    if (Number(delivery.event.payload.toString()) % 7 === 0) setTimeout(() => delivery.ack(), 20);
    else delivery.ack();
  };
  const options = { durable: 'reader', inbox, maxInFlight: 50, onGap: (gap: Gap) => void gaps.push(gap) };
  const log = new DeliveryLog(await reading.subscribe(['n/#'], options), take);
  return {
    log,
    gaps,
    async publish(count) {
      const first = sent;
      sent += count;
      const all = Array.from({ length: count }, (_, i) => {
        const number = first + i;
        return writing.publish({
          topic: `n/${number % 3}`,
          payload: Buffer.from(`${number}`),
          qos: number % 2 === 0 ? 2 : 1,
          retain: false,
        });
      });
      await within(Promise.all(all), LIMIT_MS, 'the publishes to be acknowledged');
    },
    async complete() {
      const missing = (payloads: readonly string[]): number[] => {
        const seen = new Set(payloads.map(Number));
        return Array.from({ length: sent }, (_, number) => number).filter((number) => !seen.has(number));
      };
      await within(
        log.until((payloads) => payloads.length >= sent && missing(payloads).length === 0),
        LIMIT_MS,
        () => `events to arrive: ${missing(log.payloads)}`,
      );
    },
    twice(mayBeMarked = false) {
      const counts = new Map<number, number>();
      for (const { event } of log.deliveries) {
        const number = Number(event.payload.toString());
        if (!mayBeMarked || !event.dup) counts.set(number, (counts.get(number) ?? 0) + 1);
      }
      return [...counts].filter(([number, count]) => number % 2 === 0 && count > 1).map(([number]) => number);
    },
  };
}

for (const version of [4, 5] as const) {
  test(`MQTT ${version}: a broker that restarts with its sessions loses nothing, and what it sends again although it was received is marked`, async () => {
    await using folder = await createTempFolder('mosquitto-kept');
    let server: Mosquitto = await startMosquitto({ persistence: folder.path, config });
    const { port, url } = server;
    await using reading = await openMqttBus({ urls: [url], version, ...FAST });
    await using writing = await openMqttBus({ urls: [url], version, ...FAST });
    try {
      const stream = await open(reading, writing);
      for (let round = 0; round < 3; round++) {
        const published = stream.publish(400);
        await stream.log.until(round * 400 + 50);
        await server.stop();
        server = await startMosquitto({ port, persistence: folder.path, config });
        await published;
      }
      await stream.complete();
      // Mosquitto 2.0 sends PUBLISH again after a restart for what it had sent PUBREL for.
      assert.deepEqual([stream.twice(true), stream.gaps], [[], []]);
    } finally {
      await server.stop();
    }
  });

  test(`MQTT ${version}: a broker that is frozen, and a link in a black hole, are found, and nothing is lost or doubled at QoS 2`, async () => {
    await using server = await startMosquitto({ config });
    await using proxy = await startBreakingProxy(server.port);
    await using reading = await openMqttBus({ urls: [`mqtt://127.0.0.1:${proxy.port}`], version, ...FAST });
    await using writing = await openMqttBus({ urls: [server.url], version, ...FAST });
    const stream = await open(reading, writing);
    await stream.publish(100);
    proxy.blackhole();
    const before = proxy.connections;
    await stream.publish(200);
    await within(
      untilTrue(() => proxy.connections > before),
      LIMIT_MS,
      'the black hole to be found',
    );
    proxy.heal();
    await stream.complete();
    const published = stream.publish(200);
    await server.kill('SIGSTOP');
    await within(
      untilTrue(() => reading.links[0]!.url === undefined),
      LIMIT_MS,
      'the frozen broker to be found',
    );
    await server.kill('SIGCONT');
    await published;
    await stream.complete();
    assert.deepEqual([stream.twice(), stream.gaps], [[], []]);
  });
}

test('a link that is cut again and again loses nothing and doubles nothing at QoS 2', async () => {
  await using server = await startMosquitto({ config });
  await using near = await startBreakingProxy(server.port);
  await using far = await startBreakingProxy(server.port);
  await using reading = await openMqttBus({
    urls: [`mqtt://127.0.0.1:${near.port}`],
    version: 4,
    ...FAST,
    timing: { random: () => 0, now: hurried() },
  });
  await using writing = await openMqttBus({ urls: [`mqtt://127.0.0.1:${far.port}`], ...FAST, timing: { random: () => 0, now: hurried() } });
  const stream = await open(reading, writing);
  const published = stream.publish(5000);
  for (let cut = 1; cut <= 30; cut++) {
    await stream.log.until(stream.log.deliveries.length + 100);
    (cut % 3 === 0 ? far : near).cut();
  }
  await published;
  await stream.complete();
  assert.deepEqual([stream.twice(), stream.gaps], [[], []]);
  assert.ok(near.connections > 3, `${near.connections} connections`);
});

test('Hydrant as the broker, killed under load and started again: nothing is lost, nothing doubled at QoS 2, and there is no gap', async () => {
  await using folder = await createTempFolder('hydrant-kept');
  const data = join(folder.path, 'data');
  let server = await startHydrant({ data });
  const port = server.mqttPort;
  await using reading = await openMqttBus({ urls: [server.mqttUrl], ...FAST });
  await using writing = await openMqttBus({ urls: [server.mqttUrl], version: 4, ...FAST });
  try {
    const stream = await open(reading, writing);
    for (let round = 0; round < 2; round++) {
      const published = stream.publish(1000);
      await stream.log.until(stream.log.deliveries.length + 200);
      await server.child.kill('SIGKILL');
      server = await startHydrant({ data, set: { 'listeners.mqtt.port': port } });
      await published;
    }
    await stream.complete();
    assert.deepEqual([stream.twice(), stream.gaps], [[], []]);
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

test('a broker that is killed and forgets its sessions is a gap, and what comes after it arrives', async () => {
  const first = await startMosquitto({ config });
  await using reading = await openMqttBus({ urls: [first.url], ...FAST });
  await using writing = await openMqttBus({ urls: [first.url], ...FAST });
  const stream = await open(reading, writing);
  await stream.publish(100);
  await stream.complete();
  const beforeMs = Date.now();
  await first.kill('SIGKILL');
  await using _second = await startMosquitto({ port: first.port });
  await within(
    untilTrue(() => stream.gaps.length > 0),
    LIMIT_MS,
    'the gap',
  );
  await stream.publish(100);
  await stream.complete();
  assert.deepEqual(stream.twice(), []);
  assert.equal(stream.gaps.length, 1);
  assert.ok(stream.gaps[0]!.fromMs! <= beforeMs && stream.gaps[0]!.untilMs >= beforeMs, JSON.stringify(stream.gaps));
});

/** A clock by which every connection has held: cuts are no takeover. */
function hurried(): () => number {
  let nowMs = Date.now();
  return () => {
    nowMs += 20_000;
    return nowMs;
  };
}

async function untilTrue(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 10));
}
