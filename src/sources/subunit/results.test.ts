import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../testing/child.ts';
import { STATUS, subunitPacket } from '../../testing/subunit-stream.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import type { TestResult } from './results.ts';
import { readStream } from './stream.ts';

const CASES = `
import unittest
class Shelf(unittest.TestCase):
    def test_holds(self): pass
    def test_holds_two(self): pass
    def test_falls(self): self.assertEqual(1, 2)
    def test_breaks(self): raise RuntimeError('no shelf')
    @unittest.skip('no wood')
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_known(self): self.fail('as ever')
    @unittest.expectedFailure
    def test_mended(self): pass
`;

async function readAll(...pieces: Buffer[]): Promise<{ tests: TestResult[]; totals: Awaited<ReturnType<typeof readStream>> }> {
  const tests: TestResult[] = [];
  async function* bytes() {
    yield* pieces;
  }
  const totals = await readStream(bytes(), (result, number) => {
    assert.equal(number, tests.length);
    tests.push(result);
  });
  return { tests, totals };
}

test("a run of Python's unittest has the tests, the totals and the times that subunit's own tools see", async () => {
  await using folder = await createTempFolder();
  const at = (name: string) => join(folder.path, name);
  await writeFile(at('shelf.py'), CASES);
  const shell = `/usr/bin/python3 -m subunit.run shelf > ended && printf 'test: old.way\\nsuccess: old.way\\n' | subunit-1to2 >> ended
    subunit2csv --no-passthrough < ended > csv
    (cat ended; subunit-output --inprogress shelf.never; subunit-output --exists shelf.listed) > all
    subunit-ls < all > ls; subunit-stats < all > stats; true`;
  const { code, stderr } = await run('sh', ['-c', shell], { cwd: folder.path, env: { PATH: `/usr/bin:${process.env.PATH}` } });
  assert.equal(code, 0, stderr);
  const { tests, totals } = await readAll(await readFile(at('all')));
  const [never, listed] = tests.splice(-2);
  assert.deepEqual([never!.test, never!.status, listed!.test, listed!.status], ['shelf.never', 'incomplete', 'shelf.listed', 'exists']);

  const rows = (await readFile(at('csv'), 'utf8')).trim().split(/\r?\n/).slice(1);
  const word: Record<string, string> = { fail: 'failure', uxsuccess: 'success' };
  const ours = tests.map(({ test: name, status, start_time, stop_time }) =>
    [name, word[status] ?? status, ...[start_time!, stop_time!].map((time) => time.replace('T', ' ').replace('Z', '+00:00'))].join(','),
  );
  assert.deepEqual(ours, rows);
  assert.equal(rows.length, 8);
  assert.equal((await readFile(at('ls'), 'utf8')).trim(), [...tests, never!].map(({ test: name }) => name).join('\n'));
  const stats = await readFile(at('stats'), 'utf8');
  const theirs = ['Total', 'Failed', 'Skipped'].map((what) => Number(new RegExp(`${what} tests: +(\\d+)`).exec(stats)![1]));
  assert.deepEqual(theirs, [totals.tests, totals.fail + totals.incomplete, totals.skip]);
  const { success, fail, skip, xfail, uxsuccess, exists, incomplete } = totals;
  assert.deepEqual(
    { success, fail, skip, xfail, uxsuccess, exists, incomplete },
    { success: 3, fail: 2, skip: 1, xfail: 1, uxsuccess: 1, exists: 1, incomplete: 1 },
  );

  const fallen = tests.find(({ test: name }) => name.endsWith('test_falls'))!;
  assert.equal(fallen.status, 'fail');
  assert.ok(
    fallen.attachments.some(({ name, size, mime_type }) => name === 'traceback' && size > 50 && mime_type?.startsWith('text/x-traceback')),
  );
});

test('packets of several tests, mixed, make one event each', async () => {
  const packets = [
    { testId: 'a', status: STATUS.inprogress, seconds: 100 },
    { testId: 'b', status: STATUS.inprogress, seconds: 101, routeCode: '1' },
    { testId: 'b', status: STATUS.inprogress, seconds: 102, routeCode: '2' },
    { testId: 'a', fileName: 'log', fileBytes: Buffer.alloc(10), tags: ['t'] },
    { testId: 'a', fileName: 'log', fileBytes: Buffer.alloc(5), mimeType: 'text/plain' },
    { testId: 'b', status: STATUS.success, seconds: 103, nanoseconds: 500_000_000, routeCode: '1' },
    { testId: 'a', status: STATUS.skip, seconds: 104, tags: ['u'] },
    { fileName: 'stdout', fileBytes: Buffer.alloc(3) },
  ];
  const { tests, totals } = await readAll(...packets.map(subunitPacket));
  assert.deepEqual(
    tests.map(({ test: name, status, duration }) => [name, status, duration]),
    [
      ['b', 'success', 2.5],
      ['a', 'skip', 4],
      ['b', 'incomplete', undefined],
    ],
  );
  assert.deepEqual(tests[1]!.tags, ['t', 'u']);
  assert.deepEqual(tests[1]!.attachments, [{ name: 'log', size: 15 }]);
  assert.equal(totals.start_time, '1970-01-01T00:01:40.000000Z');
  assert.equal(totals.duration, 4);
});

test('a stream that begins tests without end is read in bounded memory, and what was left out is counted', async () => {
  const names = Array.from({ length: 12 }, (_, i) => String(i).padEnd(3.5 * 2 ** 20, 'x'));
  const { tests, totals } = await readAll(...names.map((testId) => subunitPacket({ testId, status: STATUS.inprogress })));
  assert.equal(tests.length, 9);
  assert.equal(totals.left_out, 3);
});

test('what has no packet at all is no stream, and nothing at all is an empty one', async () => {
  await assert.rejects(readAll(Buffer.from('<html>not here</html>')), { reason: 'a file is no subunit v2 stream' });
  assert.equal((await readAll()).totals.tests, 0);
});
