import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Catalogue } from '../../src/archive/catalogue.ts';
import { scan } from '../../src/archive/read/scan.ts';
import { verifyArchive } from '../../src/archive/verify/verify.ts';
import { createFsStore } from '../../src/storage/drivers/fs.ts';
import type { ReadableStore } from '../../src/storage/store.ts';
import { createUnionStore } from '../../src/storage/union.ts';
import { ArchiveFolder } from '../../src/testing/archive-folder.ts';
import { type Output, run } from '../../src/testing/child.ts';
import { collect } from '../../src/testing/collect.ts';
import { decodeManifest } from '../../src/wire/manifest.ts';

const CHILD = fileURLToPath(new URL('../../src/testing/upload-child.ts', import.meta.url));
const HOUR_MS = 3_600_000;
const SEGMENTS = 3;
const EVENTS = 40;

async function find(store: ReadableStore, journalDir?: string): Promise<string[]> {
  const topics: string[] = [];
  for await (const records of scan(new Catalogue({ store, journalDir }))) for (const { event } of records) topics.push(event.topic);
  return topics;
}

/** How often each record identity is in an object. */
async function countIdentities(store: ReadableStore): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { key } of await collect(store.list())) {
    if (!key.endsWith('.manifest.json')) continue;
    for (const { journal, epoch, firstSeq, lastSeq } of decodeManifest(await store.get(key), key).parts) {
      for (let seq = firstSeq; seq <= lastSeq; seq++) {
        const identity = `${journal}-${epoch}-${seq}`;
        counts.set(identity, (counts.get(identity) ?? 0) + 1);
      }
    }
  }
  return counts;
}

const LOST = ' and the marks are lost';

const POINTS = {
  hive: [
    'upload.put',
    'upload.put:4',
    'upload.manifest',
    'upload.verified:2',
    'upload.marked',
    'upload.deleted',
    'upload.deleted:2',
    'upload.deleted:3',
    'upload.deleted:9',
    `upload.deleted${LOST}`,
    `upload.deleted:2${LOST}`,
  ],
  daily: ['upload.put', 'upload.manifest', 'upload.marked', 'upload.deleted', 'compose.removed'],
};

for (const [layout, points] of Object.entries(POINTS)) {
  for (const point of points) {
    test(`${layout}: a SIGKILL at ${point} leaves what the next start finishes: every event in one remote object, nothing local`, async () => {
      await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
      const topics = await folder.appendSegments(EVENTS, HOUR_MS);
      await folder.close();
      if (layout === 'daily') folder.nowMs += 24 * HOUR_MS;
      const remoteDir = join(folder.path, 'remote');
      const remote = createFsStore(remoteDir);
      const stored = createUnionStore([
        { name: 'here', store: folder.store },
        { name: 'there', store: remote },
      ]);
      const upload = (crash?: string): Promise<Output> => {
        const args = [CHILD, folder.path, layout, String(folder.nowMs), pathToFileURL(remoteDir).href];
        return run(process.execPath, args, { env: { HYDRANT_CRASH: crash } });
      };
      const killed = await upload(point.replace(LOST, ''));
      assert.equal(killed.signal, 'SIGKILL', `the child ended with ${killed.code}: ${killed.stdout}${killed.stderr}`);
      assert.deepEqual(await find(stored, folder.journalDir), topics, 'nothing is missing or twice right after the crash');
      if (point.endsWith(LOST))
        for (const ending of ['', '-wal', '-shm']) await rm(join(folder.path, `uploads.db${ending}`), { force: true });
      const early = (await collect(remote.list())).map(({ key }) => key);

      const finished = await upload();
      assert.equal(finished.code, 0, finished.stdout + finished.stderr);
      const { sealer, uploader } = JSON.parse(finished.stdout.trim().split('\n').at(-1)!);
      assert.deepEqual([sealer.failures, uploader.failures, uploader.conflicts], [0, 0, 0], finished.stdout);
      assert.deepEqual(await folder.files('archive'), []);
      assert.deepEqual(await find(remote), topics);
      const identities = await countIdentities(remote);
      assert.equal(identities.size, topics.length);
      assert.deepEqual(
        [...identities].filter(([, count]) => count !== 1),
        [],
      );
      const keys = (await collect(remote.list())).map(({ key }) => key);
      assert.equal(keys.length, layout === 'daily' ? 3 : SEGMENTS * 3, keys.join());
      assert.deepEqual(
        early.filter((key) => !keys.includes(key)),
        [],
        'what was uploaded stays under its key',
      );
      assert.deepEqual((await verifyArchive(new Catalogue({ store: remote }))).problems, []);
    });
  }
}
