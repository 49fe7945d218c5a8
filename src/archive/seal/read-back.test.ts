import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { ObjectWriter, type WrittenObject } from './object-writer.ts';
import { readBack } from './read-back.ts';

async function written(folder: string, codec: 'gzip' | 'zstd'): Promise<WrittenObject> {
  const writer = new ObjectWriter(join(folder, `object.${codec}`), { codec, level: 3, blockBytes: 500 });
  for (let i = 0; i < 50; i++) {
    const line = Buffer.from(`line ${i} ${'x'.repeat(i)}`);
    writer.add(line, 0, line.length, { seq: i + 1, topic: `t/${i % 3}`, ts: `2026-11-20T10:00:${String(59 - i).padStart(2, '0')}Z` });
  }
  return writer.finish()!;
}

for (const codec of ['gzip', 'zstd'] as const) {
  test(`${codec}: what was written is read back, block by block`, async () => {
    await using folder = await createTempFolder();
    const object = await written(folder.path, codec);
    assert.ok(object.blocks.length > 3);
    assert.deepEqual([object.minTs, object.maxTs], ['2026-11-20T10:00:10Z', '2026-11-20T10:00:59Z'], 'times need not rise');
    const raw: Buffer[] = [];
    readBack(object.path, object, { onBlock: (_, lines) => raw.push(Buffer.from(lines)) });
    assert.equal(Buffer.concat(raw).length, object.rawBytes);
    assert.ok(String(raw[0]).startsWith('line 0 \nline 1 x\n'));
    const shifted = join(folder.path, 'shifted');
    await writeFile(shifted, Buffer.concat([Buffer.from('before'), await readFile(object.path), Buffer.from('behind')]));
    readBack(shifted, object, { at: 6 });
  });

  test(`${codec}: whatever differs is named`, async () => {
    await using folder = await createTempFolder();
    const object = await written(folder.path, codec);
    const differs = (change: Partial<WrittenObject>, what: RegExp) =>
      assert.throws(() => readBack(object.path, { ...object, ...change }), { code: 'HYD_OBJECT_DAMAGED', message: what });
    differs({ sha256: '0'.repeat(64) }, /its sha256 is/);
    differs({ rawSha256: '0'.repeat(64) }, /sha256 of the lines/);
    differs({ count: 49 }, /number of lines/);
    differs({ bytes: object.bytes - 1 }, /its size is/);
    differs({ rawBytes: 1 }, /uncompressed size/);
    differs({ blocks: object.blocks.slice(0, -1) }, /size of all blocks/);
    differs({ blocks: object.blocks.map((block, i) => (i === 1 ? { ...block, count: block.count + 1 } : block)) }, /lines in a block/);
    differs({ blocks: object.blocks.map((block, i) => (i === 1 ? { ...block, offset: block.offset + 1 } : block)) }, /offset of a block/);
    const bytes = await readFile(object.path);
    for (const at of [12, bytes.length >> 1, bytes.length - 2]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 8;
      await writeFile(object.path, changed);
      differs({}, /block|sha256/);
    }
    await writeFile(object.path, bytes.subarray(0, bytes.length - 3));
    differs({}, /its size is/);
  });
}

test('nothing added makes no file, and a line longer than a block makes a block of its own', async () => {
  await using folder = await createTempFolder();
  const options = { codec: 'gzip', level: 1, blockBytes: 100 } as const;
  assert.equal(new ObjectWriter(join(folder.path, 'none'), options).finish(), undefined);
  const writer = new ObjectWriter(join(folder.path, 'long'), options);
  for (const length of [10, 5000, 10]) writer.add(Buffer.alloc(length, 'x'), 0, length, { seq: length, topic: 't', ts: 'now' });
  const object = writer.finish()!;
  assert.deepEqual(
    object.blocks.map(({ rawBytes, count }) => [rawBytes, count]),
    [
      [11, 1],
      [5001, 1],
      [11, 1],
    ],
  );
  readBack(object.path, object);
});
