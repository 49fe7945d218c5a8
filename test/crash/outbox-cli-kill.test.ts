import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { findEvents, HYDRANT_BIN, type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort } from '../../src/testing/mosquitto.ts';
import { type OutboxServe, startOutboxServe } from '../../src/testing/outbox-serve.ts';
import { createRandom } from '../../src/testing/random.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const ROUNDS = 4;
const POSTERS = 4;
/** Where `pub --outbox` dies. */
const POINTS = ['outbox.before-commit', 'outbox.after-commit', 'drain.after-send', 'drain.before-remove'];

/** Posts one number after the other until nobody answers. @returns those that were answered with 202 */
async function post(box: OutboxServe, name: string, answered: Set<string>): Promise<void> {
  for (let i = 0; ; i++) {
    const text = `${name}:${i}`;
    const answer = await box.post('n/posted', text).catch(() => undefined);
    if (!answer) return;
    assert.equal(answer.status, 202, answer.text);
    answered.add(text);
  }
}

test('whatever `outbox serve` and `pub --outbox` have answered arrives, however often they and the server are killed', async () => {
  const random = createRandom('outbox commands');
  await using folder = await createTempFolder();
  await using data = await createTempFolder();
  const port = await freePort();
  const start = (): Promise<HydrantServer> => startHydrant({ data: data.path, set: { 'listeners.mqtt.port': port } });
  const url = `mqtt://127.0.0.1:${port}`;
  const outbox = ['--outbox', folder.path, '--url', url];
  const answered = new Set<string>();
  let server = await start();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await using box = await startOutboxServe(folder.path, url);
      const posting = Array.from({ length: POSTERS }, (_, i) => post(box, `serve${round}.${i}`, answered));
      const wanted = answered.size + random.between(20, 200);
      await until(
        () => answered.size >= wanted,
        () => `${wanted} answers, ${answered.size} came\n${box.child.text()}`,
      );
      if (round % 2 === 1) await server.kill();
      const beside = await runHydrant(['pub', ...outbox, '-t', 'n/beside', '-m', `beside${round}`, '--no-wait']);
      assert.deepEqual([beside.code, beside.stderr], [0, '']);
      answered.add(`beside${round}`);
      await box.kill();
      await Promise.all(posting);
      if (round % 2 === 1) {
        await server[Symbol.asyncDispose]();
        server = await start();
      }
      const lines = Array.from({ length: 50 }, (_, i) => `pub${round}:${i}`);
      const point = POINTS[round % POINTS.length];
      await using child = new Child(HYDRANT_BIN, ['pub', ...outbox, '-t', 'n/lines', '-l'], {
        input: lines.join('\n'),
        env: { HYDRANT_CRASH: point },
      });
      assert.deepEqual(await child.exited, { code: null, signal: 'SIGKILL' }, `${point}\n${child.text()}`);
    }
    assert.deepEqual(await runHydrant(['pub', ...outbox, '--flush']), { code: 0, signal: null, stdout: '', stderr: '' });
  } finally {
    await server[Symbol.asyncDispose]();
  }
  const events = await findEvents(data.path, 'n/#');
  const ids = new Map<string, string | undefined>();
  for (const { id, payload } of events) {
    const text = Buffer.from(payload).toString();
    assert.equal(ids.get(text) ?? id, id, `${text} came under two ids`);
    ids.set(text, id);
  }
  assert.deepEqual(
    [...answered].filter((text) => !ids.has(text)),
    [],
  );
  for (let round = 0; round < ROUNDS; round++) {
    const own = [...ids.keys()].filter((text) => text.startsWith(`pub${round}:`));
    assert.deepEqual(
      own,
      Array.from(own, (_, i) => `pub${round}:${i}`),
      'what was stored before it died, from the first on',
    );
  }
});
