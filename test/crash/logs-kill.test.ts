import assert from 'node:assert/strict';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { findEvents, HYDRANT_BIN, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createRandom } from '../../src/testing/random.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const ROUNDS = 4;
const FILTER = 'logs/stock.log';

test('a file that grows and is rotated while its reader is killed again and again loses no line, and repeats under the same ids', async () => {
  const random = createRandom('logs kill loop');
  await using data = await createTempFolder();
  await using own = await createTempFolder();
  await using bus = await startHydrant({ data: data.path });
  const path = join(own.path, 'stock.log');
  await writeFile(path, '');
  let written = 0;
  const write = async (count: number): Promise<void> => {
    await appendFile(path, Array.from({ length: count }, () => `line ${written++}\n`).join(''));
  };
  // All are kept: a reader that dies before it has saved its place reads them again.
  const rotate = async (): Promise<void> => {
    for (let n = ROUNDS; n >= 1; n--) await rename(`${path}.${n}`, `${path}.${n + 1}`).catch(() => {});
    await rename(path, `${path}.1`);
    await writeFile(path, '');
  };
  const run = (): Child =>
    new Child(HYDRANT_BIN, ['source', 'logs', '--file', path, '--url', bus.mqttUrl, '--data', join(own.path, 'data')]);
  const lines = async (): Promise<Map<string, Set<string | undefined>>> => {
    const ids = new Map<string, Set<string | undefined>>();
    for (const { payload, id } of await findEvents(data.path, FILTER)) {
      const text = Buffer.from(payload).toString();
      ids.set(text, (ids.get(text) ?? new Set()).add(id));
    }
    return ids;
  };
  let ids = await lines();
  const reach = async (count: number, child: Child): Promise<void> => {
    const enough = async (): Promise<boolean> => {
      ids = await lines();
      return ids.size >= count;
    };
    await until(enough, () => `${count} lines, ${ids.size} came\n${child.text()}`, 60_000);
  };
  for (let round = 0; round < ROUNDS; round++) {
    await using child = run();
    // What was rotated away before the first start is nobody's.
    if (round === 0) {
      await write(1);
      await reach(1, child);
    }
    await write(3000);
    if (round % 2 === 0) await rotate();
    await write(random.between(1, 3000));
    await reach(random.between(ids.size + 1, ids.size + 2000), child);
    await child.kill('SIGKILL');
    await write(random.between(1, 100));
    if (round % 2 === 1) await rotate();
    await write(random.between(1, 100));
  }
  await using child = run();
  await reach(written, child);
  assert.deepEqual(await child.kill('SIGTERM'), { code: 0, signal: null });
  assert.deepEqual(
    Array.from({ length: written }, (_, i) => `line ${i}`).filter((line) => ids.get(line)?.size !== 1),
    [],
  );
  assert.deepEqual(await findEvents(data.path, `${FILTER}/$gap`), []);
});
