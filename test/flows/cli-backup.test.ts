import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../../src/testing/child.ts';
import { findEvents, HYDRANT_BIN, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const BEFORE = 1000;

for (const target of ['copy', 'copy.tar.zst']) {
  test(`a backup into ${target} of a server under load comes back with everything acknowledged before it began`, async () => {
    await using folder = await createTempFolder();
    const path = join(folder.path, target);
    const back = join(folder.path, 'back');
    let journal: string;
    {
      await using server = await startHydrant({ set: { 'journal.rotate.bytes': '64KiB' } });
      const url = server.mqttUrl;
      const session = ['sub', '--url', url, '-t', 'n/#', '-q', '1', '-c', '-i', 'offline'];
      assert.equal((await runHydrant([...session, '-E'])).code, 0);
      const input = Array.from({ length: BEFORE }, (_, i) => String(i)).join('\n');
      assert.equal((await runHydrant(['pub', '--url', url, '-t', 'n/x', '-l', '-q', '1'], { input })).code, 0);
      assert.equal((await runHydrant(['pub', '--url', url, '-t', 'kept', '-m', 'on', '-r', '-q', '1'])).code, 0);
      await using load = new Child(
        HYDRANT_BIN,
        ['pub', '--url', url, '-t', 'load/x', '-m', 'y'.repeat(200), '-q', '1', '--repeat', '1000000'],
        {},
      );
      assert.equal((await runHydrant(['sub', '--url', url, '-t', 'load/x', '-C', '1', '-W', '10'])).code, 0);
      const saved = await runHydrant(['backup', path, '--data', server.data]);
      assert.equal(saved.code, 0, saved.stderr);
      journal = (JSON.parse(saved.stdout) as { journal: string }).journal;
      await load.kill('SIGKILL');
    }
    const restored = await runHydrant(['restore', path, '--data', back]);
    assert.equal(restored.code, 0, restored.stderr);
    const report = JSON.parse(restored.stdout) as { journal: string; from: string; head: number };
    assert.equal(report.from, journal);
    assert.notEqual(report.journal, journal);
    assert.equal((await findEvents(back, 'n/x')).length, BEFORE);
    {
      await using server = await startHydrant({ data: back });
      const url = server.mqttUrl;
      const missed = await runHydrant([
        'sub',
        '--url',
        url,
        '-t',
        'n/#',
        '-q',
        '1',
        '-c',
        '-i',
        'offline',
        '-C',
        String(BEFORE),
        '-W',
        '20',
      ]);
      assert.equal(missed.code, 0, missed.stderr);
      assert.deepEqual(
        missed.stdout.trim().split('\n').map(Number),
        Array.from({ length: BEFORE }, (_, i) => i),
      );
      assert.equal((await runHydrant(['sub', '--url', url, '-t', 'kept', '-C', '1', '-W', '10'])).stdout, 'on\n');
      assert.equal((await runHydrant(['pub', '--url', url, '-t', 'after', '-m', 'x', '-q', '1'])).code, 0);
    }
    const [after] = await findEvents(back, 'after');
    assert.ok(after!.seq > report.head, `${after!.seq} is above ${report.head}`);
    const verified = await runHydrant(['archive', 'verify', '--data', back]);
    assert.equal(verified.code, 0, verified.stdout);
  });
}

test('a backup goes through a pipe', async () => {
  await using server = await startHydrant();
  await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'a', '-m', 'x', '-q', '1']);
  await using folder = await createTempFolder();
  const back = join(folder.path, 'back');
  await using pipe = new Child(
    'bash',
    ['-o', 'pipefail', '-c', `${HYDRANT_BIN} backup - -d ${server.data} | ${HYDRANT_BIN} restore - -d ${back}`],
    {},
  );
  assert.equal((await pipe.exited).code, 0, pipe.stderr);
  assert.equal((await findEvents(back, 'a')).length, 1);
});

test('a backup that is damaged, a target that is not empty, and a folder that is none are refused with the fix', async () => {
  await using server = await startHydrant();
  await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'a', '-m', 'x', '-q', '1']);
  await using folder = await createTempFolder();
  const copy = join(folder.path, 'copy');
  assert.equal((await runHydrant(['backup', copy, '-d', server.data])).code, 0);
  const again = await runHydrant(['backup', copy, '-d', server.data]);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /copy is not empty: .*\n {2}fix: Give a folder that does not exist yet/);
  const over = await runHydrant(['restore', copy, '-d', server.data]);
  assert.equal(over.code, 2);
  assert.match(over.stderr, /is not empty/);
  const [segment] = readdirSync(join(copy, 'journal'));
  const bytes = readFileSync(join(copy, 'journal', segment!));
  bytes[50]! ^= 1;
  writeFileSync(join(copy, 'journal', segment!), bytes);
  const back = join(folder.path, 'back');
  const damaged = await runHydrant(['restore', copy, '-d', back]);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stderr, /is damaged in the backup: its hash is .*\n {2}fix: Use another backup; nothing of this one was kept/);
  assert.deepEqual(readdirSync(folder.path), ['copy']);
  const none = await runHydrant(['backup', join(folder.path, 'b'), '-d', folder.path]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /is not a data folder: it has no hydrant.json/);
});
