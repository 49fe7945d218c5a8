import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { nicenessOf } from '../../testing/niceness.ts';
import type { SealSegmentJob } from './seal-segment.ts';
import { SealThread } from './seal-thread.ts';

async function jobOf(folder: ArchiveFolder): Promise<SealSegmentJob> {
  await folder.append('a');
  await folder.journal.rotate();
  const { path: source, bytes: sourceBytes, first, last, minMs } = folder.journal.segments[0]!;
  return {
    kind: 'segment',
    source,
    sourceBytes,
    first,
    last,
    minMs,
    folder: folder.path,
    codec: 'gzip',
    level: 6,
    blockBytes: 1000,
    exclude: {},
  };
}

test('the thread is started by its first job and ends by itself when it has had none for a while', async () => {
  await using folder = await ArchiveFolder.create();
  const job = await jobOf(folder);
  const thread = new SealThread({ idleMs: 1 });
  assert.equal(thread.running, false);
  const done = thread.run(job);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(thread.running, true);
  assert.equal((await done)[0]!.object!.count, 1);
  while (thread.running) await new Promise((resolve) => setImmediate(resolve));
  const again = await thread.run({ ...job, folder: folder.journalDir });
  assert.equal(again[0]!.object!.count, 1);
  await thread.close();
  assert.equal(thread.running, false);
});

test('the thread gives way to the others of the process; an urgent job is done at their priority', async () => {
  await using folder = await ArchiveFolder.create();
  const job = await jobOf(folder);
  const thread = new SealThread();
  const own = getPriority();
  const low = Math.min(19, own + 10);
  try {
    for (const [isUrgent, expected] of [
      [false, low],
      [true, own],
      [true, own],
      [false, low],
    ] as const) {
      const [run] = await thread.run({ ...job, folder: await createSubfolder(folder) }, isUrgent);
      assert.equal(run!.object!.count, 1);
      assert.deepEqual(nicenessOf('seal'), [expected], `urgent: ${isUrgent}`);
    }
    assert.equal(getPriority(), own);
  } finally {
    await thread.close();
  }
});

function createSubfolder({ path }: ArchiveFolder): Promise<string> {
  return mkdtemp(join(path, 'run-'));
}

test('a job that fails says why, and the next one is done', async () => {
  await using folder = await ArchiveFolder.create();
  const job = await jobOf(folder);
  const thread = new SealThread();
  try {
    const failed = thread.run({ ...job, source: join(folder.path, 'none.ndjson') });
    const done = thread.run(job);
    await assert.rejects(failed, { code: 'HYD_STORE', message: /none\.ndjson/ });
    assert.equal((await done)[0]!.lastSeq, 1);
  } finally {
    await thread.close();
  }
});

test('closing waits for the job under way and refuses the rest', async () => {
  await using folder = await ArchiveFolder.create();
  const job = await jobOf(folder);
  const thread = new SealThread();
  const first = thread.run(job);
  await new Promise((resolve) => setImmediate(resolve));
  const second = thread.run(job).catch((error: { code: string }) => error.code);
  await thread.close();
  assert.equal((await first).length, 1);
  assert.equal(await second, 'HYD_CLOSED');
  await assert.rejects(thread.run(job), { code: 'HYD_CLOSED' });
});
