import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startArchiverProcess } from '../../src/testing/hydrant-archiver.ts';
import { findEvents, runHydrant } from '../../src/testing/hydrant-server.ts';
import { startMosquitto } from '../../src/testing/mosquitto.ts';
import { createRandom } from '../../src/testing/random.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const ROUNDS = 8;

/** Publishes numbers one after the other, each acknowledged before the next, until told to stop. Resolves with how many there were. */
async function publish(url: string, qos: 1 | 2, signal: AbortSignal): Promise<number> {
  using client = await RawClient.connect(url, { auto: true });
  for (let number = 0; ; number++) {
    if (signal.aborted) return number;
    await client.deliver(`load/${qos}`, String(number), { qos });
    await sleep(1);
  }
}

test(`an archiver killed at ${ROUNDS} random instants loses nothing, has QoS 2 once and marks repeats at QoS 1 (archive defects 2 and 11)`, {
  timeout: 240_000,
}, async () => {
  const random = createRandom('intake kill loop');
  await using folder = await createTempFolder('hydrant-intake');
  // It forgets beyond 1 000 otherwise.
  await using mosquitto = await startMosquitto({ config: ['max_queued_messages 0'] });
  const start = () => startArchiverProcess({ broker: mosquitto.url, data: folder.path });
  {
    await using archiver = await start();
    await archiver.ready();
  }
  const stop = new AbortController();
  const publishing = ([1, 2] as const).map((qos) => publish(mosquitto.url, qos, stop.signal));
  for (let round = 1; round <= ROUNDS; round++) {
    await using archiver = await start();
    const inStart = random.between(0, 3) === 0;
    if (!inStart) await archiver.ready(60_000);
    await sleep(random.between(5, inStart ? 600 : 300));
    await archiver.kill();
  }
  stop.abort();
  const [count1, count2] = (await Promise.all(publishing)) as [number, number];
  await using archiver = await start();
  using client = await RawClient.connect(mosquitto.url, { auto: true });
  await client.deliver('end', '', { qos: 1 });
  await archiver.recorded('end', 60_000);
  assert.equal((await archiver.stop()).code, 0);

  const events = await findEvents(folder.path);
  const texts = (topic: string) => events.filter((event) => event.topic === topic).map(({ payload }) => payload.toString());
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i));
  assert.deepEqual(texts('load/2'), numbers(count2), `seed ${random.seed}`);
  assert.deepEqual([...new Set(texts('load/1'))], numbers(count1), `seed ${random.seed}`);
  const unmarked = events.filter(({ topic, dup }) => topic === 'load/1' && !dup).map(({ payload }) => payload.toString());
  assert.equal(new Set(unmarked).size, unmarked.length, `seed ${random.seed}: a repeat is not marked`);
  const verified = await runHydrant(['archive', 'verify', '--data', folder.path], { timeoutMs: 60_000 });
  assert.equal(verified.code, 0, verified.stdout);
});
