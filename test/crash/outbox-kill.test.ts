import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openOutbox } from '../../src/client/outbox/open-outbox.ts';
import { Child } from '../../src/testing/child.ts';
import { createRandom } from '../../src/testing/random.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const CHILD = fileURLToPath(new URL('../../src/testing/outbox-child.ts', import.meta.url));
const random = createRandom('outbox kills');

function start(path: string, name: string, env: Record<string, string>): Child {
  return new Child(process.execPath, [CHILD, path, name], { env });
}

/** What the child was told, from whole lines only: it may have died in the middle of one. */
function told(child: Child): { stored: Map<number, string>; removing: Set<number>; removed: Set<number> } {
  const whole = child.stdout.slice(0, child.stdout.lastIndexOf('\n') + 1).split('\n');
  const stored = new Map<number, string>();
  const [removing, removed] = [new Set<number>(), new Set<number>()];
  for (const line of whole) {
    const [kind, seq, id] = line.split(' ');
    if (kind === 'stored') stored.set(Number(seq), id!);
    if (kind === 'removing') removing.add(Number(seq));
    if (kind === 'removed') removed.add(Number(seq));
  }
  return { stored, removing, removed };
}

async function killAndCheck(name: string, env: Record<string, string>, kill: (child: Child) => Promise<unknown>): Promise<void> {
  await using folder = await createTempFolder();
  const expected = new Map<number, string>();
  let highest = 0;
  for (let round = 0; round < 3; round++) {
    await using child = start(folder.path, `${name} ${round}`, env);
    await kill(child);
    assert.equal((await child.exited).signal, 'SIGKILL', child.text());
    const { stored, removing, removed } = told(child);
    for (const [seq, id] of stored) {
      assert.ok(seq > highest, `${seq} was given before: the highest was ${highest}`);
      if (!removing.has(seq)) expected.set(seq, id);
    }
    await using outbox = await openOutbox(folder.path);
    const records = await outbox.read('events', 0, { maxEvents: 1_000_000, maxBytes: 1 << 30 });
    const found = new Map(records.map(({ seq, id }) => [seq, id]));
    for (const [seq, id] of expected) assert.equal(found.get(seq), id, `${seq} was stored and is not there`);
    for (const seq of removed) assert.ok(!found.has(seq), `${seq} was removed and is there`);
    assert.equal(new Set(records.map(({ id }) => id)).size, records.length, 'an id is there twice');
    const { events = 0, bytes = 0, oldestSeq } = outbox.channels.get('events') ?? {};
    assert.deepEqual([events, oldestSeq], [records.length, records[0]?.seq]);
    assert.equal(bytes > 0, events > 0);
    highest = Math.max(highest, ...found.keys(), ...stored.keys());
    for (const seq of found.keys()) expected.set(seq, found.get(seq)!);
  }
}

for (const point of ['outbox.before-commit', 'outbox.after-commit'])
  test(`killed ${point.slice(7).replace('-', ' the ')}, an outbox has all that it said was stored, once, and gives no place twice`, () =>
    killAndCheck(point, { HYDRANT_CRASH: `${point}:${random.between(1, 12)}`, REMOVE: '1' }, (child) => child.exited));

test('killed at random, an outbox has all that it said was stored, once, and gives no place twice', () =>
  killAndCheck('random', {}, async (child) => {
    const lines = random.between(1, 3000);
    await child.line(() => (child.lines.length > lines ? true : undefined), 30_000, `${lines} lines`);
    await child.kill();
  }));
