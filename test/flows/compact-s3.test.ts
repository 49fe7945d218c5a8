import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Catalogue } from '../../src/archive/catalogue.ts';
import { scan } from '../../src/archive/read/scan.ts';
import type { CompactOptions } from '../../src/archive/upkeep/compact-options.ts';
import { verifyArchive } from '../../src/archive/verify/verify.ts';
import { createHexId } from '../../src/core/id.ts';
import { openStore } from '../../src/storage/open.ts';
import { createUnionStore } from '../../src/storage/union.ts';
import { ArchiveFolder } from '../../src/testing/archive-folder.ts';
import { startBreakingHttp } from '../../src/testing/breaking-http.ts';
import { collect } from '../../src/testing/collect.ts';
import { shareRadosgw } from '../../src/testing/radosgw.ts';

const radosgw = await shareRadosgw();
const ONCE = { ifNoneMatch: true } as const;
const HOUR_MS = 3_600_000;
const COMPACT: CompactOptions = { afterMs: 0, minObjects: 2, maxBytes: 2 ** 28, format: 'same' };

for (const format of ['same', 'parquet'] as const) {
  test(`a bucket that fails, loses answers and cuts connections: hours are put together in it all the same (${format})`, async () => {
    await using proxy = await startBreakingHttp(radosgw.endpoint);
    await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
    const url = `s3://compact-${createHexId(4)}/some/prefix`;
    await using home = await openStore(url, { s3: radosgw.settings({ endpoint: proxy.url }), makeBucket: true });
    await using truth = await openStore(url, { s3: radosgw.settings() });
    const sealer = await folder.openSealer();
    for (let segment = 0; segment < 4; segment++) {
      for (let i = 0; i < 20; i++) await folder.append(`s/${segment}/${i}`, Buffer.alloc(500, segment * 20 + i));
      await folder.journal.rotate();
    }
    await sealer.run();
    const lines = await linesOf(folder.catalogue());
    for (const { key } of await collect(folder.store.list())) await home.put(key, await folder.store.get(key), ONCE);
    // Two are still here as well.
    for (const { key } of await collect(folder.store.list())) if (!/-0000000000000(01|21)-/.test(key)) await folder.store.delete(key);
    const read = createUnionStore([
      { name: 'here', store: folder.store },
      { name: url, store: home },
    ]);
    folder.nowMs += 2 * HOUR_MS;
    const ending = format === 'parquet' ? /\.parquet(\?|$)/ : /\.ndjson\.gz/;
    proxy.inject({ kind: 'answer', status: 503, code: 'SlowDown' }, { method: 'GET', times: 2 });
    proxy.inject({ kind: 'cut-response', afterBytes: 100 }, { method: 'GET', path: /\.ndjson\.gz/, times: 1 });
    proxy.inject({ kind: 'cut-request', afterBytes: 50 }, { method: 'PUT', path: ending, times: 1 });
    const lost = proxy.inject({ kind: 'lose-answer' }, { method: 'PUT', path: ending, times: 2 });
    proxy.inject({ kind: 'answer', status: 500, code: 'InternalError' }, { method: 'DELETE', times: 2 });
    await using upkeep = folder.openUpkeep(sealer, { store: home, read, compact: { ...COMPACT, format }, graceMs: 0 });
    const until = Date.now() + 120_000;
    while ((await collect(truth.list())).length > 3) {
      assert.ok(Date.now() < until, folder.logged.map(({ message, fields }) => `${message} ${JSON.stringify(fields)}`).join('\n'));
      await upkeep.run();
    }
    assert.ok(lost.hits > 0, 'an answer was lost');
    const [object] = (await collect(truth.list())).filter(({ key }) => /\.(parquet|gz)$/.test(key));
    assert.match(object!.key, /-000000000000001-000000000000080\.(parquet|ndjson\.gz)$/);
    const catalogue = new Catalogue({ store: truth });
    assert.equal(await linesOf(catalogue), lines);
    assert.equal(await linesOf(new Catalogue({ store: read })), lines, 'what is still here changes nothing');
    const verified = await verifyArchive(catalogue);
    assert.deepEqual(verified.problems, []);
    assert.equal(verified.events, 80);
    upkeep.configure({ compact: undefined, retention: { bytes: object!.bytes } });
    folder.nowMs += HOUR_MS;
    await folder.append('next');
    await folder.journal.rotate();
    await sealer.run();
    await upkeep.run();
    assert.deepEqual(await collect(truth.list()), [], 'retention works where objects are at home');
  });
}

async function linesOf(catalogue: Catalogue): Promise<string> {
  let lines = '';
  for await (const records of scan(catalogue)) for (const { line } of records) lines += `${line}\n`;
  return lines;
}
