import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child } from '../../src/testing/child.ts';
import { startMosquitto } from '../../src/testing/mosquitto.ts';
import { createRandom } from '../../src/testing/random.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness } from '../../src/testing/witness.ts';

const CHILD = fileURLToPath(new URL('../../src/testing/client-child.ts', import.meta.url));
/** Where the process dies, and how often it passes there first. */
const POINTS = [
  'outbox.before-commit:5',
  'outbox.after-commit',
  'outbox.after-commit:7',
  'drain.before-send',
  'drain.before-send:9',
  'drain.after-send',
  'drain.after-send:4',
  'drain.before-remove',
  'drain.before-remove:40',
  'drain.after-remove:70',
];
const RANDOM_KILLS = 5;
const WAIT_MS = 30_000;

test('a client that is killed anywhere loses nothing that it had stored, keeps the order of each channel, and repeats under the same id (client defect 7) (pain 7)', async () => {
  const random = createRandom('client kill');
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['numbers/#']);
  const stored = new Set<string>();
  const kills = [...POINTS, ...Array.from({ length: RANDOM_KILLS }, () => undefined)];
  for (const [i, point] of kills.entries()) {
    const run = String(i).padStart(2, '0');
    await using child = new Child(process.execPath, [CHILD, folder.path, server.url, run], { env: { HYDRANT_CRASH: point } });
    if (point === undefined) {
      const lines = random.between(1, 40);
      const enough = (): true | undefined => (child.lines.length >= lines ? true : undefined);
      await child.line(enough, WAIT_MS, `${lines} lines`);
      await child.kill('SIGKILL');
    }
    assert.deepEqual(await child.exited, { code: null, signal: 'SIGKILL' }, `${point}\n${child.text()}`);
    for (const line of child.lines) if (line.startsWith('stored ')) for (const text of line.split(' ').slice(1)) stored.add(text);
  }
  await using last = new Child(process.execPath, [CHILD, folder.path, server.url, 'flush']);
  assert.deepEqual(await last.exited, { code: 0, signal: null }, last.text());
  assert.equal(last.stdout, 'left 0\n');
  assert.ok(stored.size > 200, `${stored.size} were stored`);
  await witness.seen(stored.size);
  const firsts = witness.firsts;
  const arrived = new Set(firsts);
  assert.deepEqual(
    [...stored].filter((text) => !arrived.has(text)),
    [],
  );
  const ids = new Map<string, string | undefined>();
  for (const { text, id } of witness.events) {
    assert.ok(id !== undefined && (ids.get(text) ?? id) === id, `${text} came under two ids`);
    ids.set(text, id);
  }
  for (const channel of ['even', 'odd']) {
    const own = firsts.filter((text) => Number(text.slice(-1)) % 2 === (channel === 'even' ? 0 : 1));
    assert.deepEqual(own, own.toSorted(), `the order of ${channel}`);
  }
});
