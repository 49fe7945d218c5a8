import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type HydrantArchiver, startArchiverProcess } from '../../src/testing/hydrant-archiver.ts';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { type Mosquitto, startMosquitto } from '../../src/testing/mosquitto.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

/** Where an archiver dies, and what the broker has to send again because of it. */
const POINTS = [
  // Before the fsync: unacknowledged, so everything comes again.
  'journal.before-write',
  'journal.before-sync',
  // After it and before the acknowledgement: what comes again is recognised.
  'journal.after-sync',
  'intake.before-note',
  'intake.before-ack',
  'intake.acked',
  // The release of QoS 2, before and after it is durable, and before its PUBCOMP.
  'state.before-commit',
  'state.after-commit',
  'inbox.released',
];
const TIMES = [1, 4];
const EVENTS = 12;

let mosquitto: Mosquitto;
let publisher: RawClient;

before(async () => {
  mosquitto = await startMosquitto();
  publisher = await RawClient.connect(mosquitto.url, { auto: true });
});

after(async () => {
  publisher?.destroy();
  await mosquitto?.[Symbol.asyncDispose]();
});

const start = (data: string, topic: string, crash?: string): Promise<HydrantArchiver> =>
  startArchiverProcess({ broker: mosquitto.url, data, args: ['--filter', `${topic}/#`], env: { HYDRANT_CRASH: crash } });

for (const point of POINTS) {
  test(`killed at ${point}, an archiver has each event of QoS 2 once, and each repeat at QoS 1 marked`, { timeout: 120_000 }, async () => {
    await using folder = await createTempFolder('hydrant-intake');
    const data = folder.path;
    const topic = point.replaceAll(/\W/g, '-');
    {
      await using archiver = await start(data, topic);
      await archiver.ready();
    }
    let sent = 0;
    let deaths = 0;
    for (const time of TIMES) {
      await using archiver = await start(data, topic, `${point}:${time}`);
      const ready = archiver.ready().catch(() => {});
      await Promise.race([ready, archiver.child.exited]);
      for (let i = 0; i < EVENTS; i++, sent++)
        for (const qos of [1, 2] as const) await publisher.deliver(`${topic}/q${qos}`, String(sent), { qos });
      await publisher.deliver(`${topic}/round${time}`, '', { qos: 1 });
      await Promise.race([archiver.child.exited, archiver.recorded(`${topic}/round${time}`).catch(() => {})]);
      if ((await archiver.stop()).signal === 'SIGKILL') deaths++;
    }
    assert.ok(deaths > 0, `it never died at ${point}`);
    await using archiver = await start(data, topic);
    await publisher.deliver(`${topic}/end`, '', { qos: 1 });
    await archiver.recorded(`${topic}/end`);
    assert.equal((await archiver.stop()).code, 0);
    const events = await findEvents(data);
    const numbers = Array.from({ length: sent }, (_, i) => String(i));
    const texts = (suffix: string, marked: boolean): string[] =>
      events.filter((event) => event.topic === `${topic}/${suffix}` && (marked || !event.dup)).map(({ payload }) => payload.toString());
    assert.deepEqual(texts('q2', true), numbers);
    assert.deepEqual([...new Set(texts('q1', true))], numbers);
    const unmarked = texts('q1', false);
    assert.equal(new Set(unmarked).size, unmarked.length, 'a repeat is not marked');
  });
}
