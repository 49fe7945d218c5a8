import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createRandom } from '../../src/testing/random.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

test('what a subscriber has seen is on disk although the server dies at that very moment, at each QoS', { timeout: 120_000 }, async () => {
  const random = createRandom('last seen');
  await using folder = await createTempFolder();
  const data = folder.path;
  for (const qos of [0, 1, 2] as const) {
    const topic = `seen/${qos}`;
    const seen: string[] = [];
    await using server = await startHydrant({ data });
    using subscriber = await RawClient.connect(server.mqttUrl, { clientId: `seen-${qos}`, clean: false });
    await subscriber.subscribe(topic, qos);
    using publisher = await RawClient.connect(server.mqttUrl, { auto: true });
    const fatal = random.between(1, 300);
    subscriber.onPacket = (packet) => {
      if (packet.cmd === 'publish') seen.push(packet.payload.toString());
      if (seen.length === fatal) server.child.signal('SIGKILL');
    };
    const load = setInterval(() => {
      for (let n = 0; n < 7; n++) publisher.publish(topic, `${qos} ${publisher.nextId()}`, { qos });
    }, 1);
    await server.exited;
    clearInterval(load);
    await subscriber.ended;
    const kept = new Set((await findEvents(data, topic)).map((event) => event.payload.toString()));
    assert.ok(seen.length >= fatal);
    assert.deepEqual(
      seen.filter((payload) => !kept.has(payload)),
      [],
      `seen at QoS ${qos} and not on disk, seed ${random.seed}`,
    );
  }
});
