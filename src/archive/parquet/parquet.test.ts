import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { createTempFolder } from '../../testing/temp-folder.ts';
import type { Event } from '../../wire/event.ts';
import { encodeLine } from '../../wire/line.ts';
import { ParquetFile } from './parquet-file.ts';
import { toRow } from './parquet-rows.ts';
import { openParquetWriter, readParquetBack } from './parquet-writer.ts';

const AT_MS = Date.parse('2026-11-20T10:00:00.123Z');

const event = (topic: string, more: Partial<Event> = {}): Event => ({ topic, payload: Buffer.from('x'), qos: 0, retain: false, ...more });

/** Writes lines (newline included) as a Parquet file and reads every row group. */
async function roundTrip(lines: readonly Buffer[], bounds: { groupRows?: number; groupBytes?: number } = {}) {
  await using folder = await createTempFolder('hydrant-parquet');
  const path = join(folder.path, 'a.parquet');
  const writer = await openParquetWriter({ path, journal: '0123456789abcdef', epoch: '00ff00ff', ...bounds });
  for (const line of lines) writer.add(line, 0, line.length - 1, /"ts":"([^"]*)"/.exec(String(line))?.[1] ?? '');
  const written = writer.finish();
  const bytes = await readFile(path);
  assert.equal(bytes.length, written.bytes);
  await readParquetBack(path, written, createHash('sha256').update(Buffer.concat(lines)).digest('hex'));
  const file = await ParquetFile.parse(bytes);
  const groups: Buffer[] = [];
  for (const { offset, bytes: size } of written.blocks) groups.push(await file.unpack(bytes.subarray(offset, offset + size), offset));
  return { written, bytes, groups };
}

test('every line comes back from a Parquet file byte for byte, whatever its fields hold', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 30 });
  const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const events = fc.array(
    fc.record(
      {
        topic: fc.oneof(text, fc.constantFrom('a/b', '<&>\u2028', '\ufeffbom', 'ä/\u{1f600}')),
        payload: fc.uint8Array({ maxLength: 200 }),
        qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
        retain: fc.boolean(),
        id: some(text),
        dup: some(fc.boolean()),
        contentType: some(text),
        source: some(text),
        inbound: some(fc.constantFrom('4:17', '1:1')),
        props: some(
          fc.record({
            user: fc.array(fc.tuple(text, text), { maxLength: 3 }),
            expiry: fc.nat(),
            correlation: fc.string(),
          }),
        ),
      },
      { requiredKeys: ['topic', 'payload', 'qos', 'retain'] },
    ),
    { minLength: 1, maxLength: 40 },
  );
  const property = fc.asyncProperty(events, fc.integer({ min: 1, max: 50 }), async (list, groupRows) => {
    const lines = list.map((own, i) => encodeLine(own as Event, i + 1, AT_MS + i));
    const { groups, written } = await roundTrip(lines, { groupRows });
    assert.equal(String(Buffer.concat(groups)), String(Buffer.concat(lines)));
    assert.deepEqual(
      written.blocks.map(({ count, firstSeq }) => [count, firstSeq]),
      Array.from({ length: Math.ceil(lines.length / groupRows) }, (_, i) => [
        Math.min(groupRows, lines.length - i * groupRows),
        i * groupRows + 1,
      ]),
    );
  });
  await fc.assert(property, { numRuns: 60, verbose: true });
});

test('a line that its columns do not give back is kept as it is', async () => {
  const usual = encodeLine(event('usual'), 8, AT_MS);
  const line = (text: string) => Buffer.from(`${text}\n`);
  const odd = [
    line('{"v":1,"ts":"2026-11-20T10:00:00.1Z","topic":"short/time","data":"eA==","seq":1}'),
    line('{"v":1,"ts":"2026-11-20T10:00:00.100000001Z","topic":"no/payload","data":null,"seq":2}'),
    line('{"v":1,"ts":"2026-11-20T10:00:00.100000001Z","topic":"unknown","data":"","seq":3,"later":{"x":1}}'),
    line('{"v":1,"ts":"2026-11-20T10:00:00.100000001Z","topic":"half \\ud800","data":"","seq":4}'),
    line('{"v":1, "ts":"2026-11-20T10:00:00.100000001Z","topic":"blank","data":"","seq":5}'),
    line('{"v":1,"ts":"soon","topic":"no/time","data":"","seq":6}'),
    encodeLine(event('half \ud800'), 7, AT_MS),
  ];
  for (const [i, bytes] of odd.entries()) assert.deepEqual(toRow(bytes, 0, bytes.length - 1).line, bytes.subarray(0, -1), `line ${i}`);
  assert.equal(
    toRow(odd[0]!, 0, odd[0]!.length - 1).ts,
    BigInt(Date.parse('2026-11-20T10:00:00.1Z')) * 1000n,
    'to the millisecond at least',
  );
  assert.equal(toRow(usual, 0, usual.length - 1).line, null);
  const { groups } = await roundTrip([...odd, usual]);
  assert.equal(String(Buffer.concat(groups)), String(Buffer.concat([...odd, usual])));
});

test('rows are sorted by time, and lines come back in the order of their sequences when the clock stepped back', async () => {
  const times = [5000, 5001, 2000, 2001, 6000];
  const lines = times.map((ms, i) => encodeLine(event(`t/${i}`), i + 1, AT_MS + ms));
  const { groups, bytes, written } = await roundTrip(lines);
  assert.equal(String(Buffer.concat(groups)), String(Buffer.concat(lines)));
  assert.equal(written.blocks[0]!.minTs, '2026-11-20T10:00:02.123000001Z');
  assert.equal(written.blocks[0]!.maxTs, '2026-11-20T10:00:06.123000001Z');
  const { parquetReadObjects } = await import('hyparquet');
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  const rows = await parquetReadObjects({ file, compressors: { ZSTD: (page) => zstdDecompressSync(page) }, columns: ['seq', 'topic'] });
  assert.deepEqual(
    rows.map(({ topic }) => topic),
    ['t/2', 't/3', 't/0', 't/1', 't/4'],
  );
});

test('a row group ends before it has too many bytes, and one long line has its own', async () => {
  const lines = [10, 10, 5000, 10].map((size, i) => encodeLine(event('a', { payload: Buffer.alloc(size, i) }), i + 1, AT_MS));
  const { written, groups } = await roundTrip(lines, { groupBytes: 1000 });
  assert.deepEqual(
    written.blocks.map(({ count }) => count),
    [2, 1, 1],
  );
  assert.deepEqual(
    groups.map((group) => group.length),
    written.blocks.map(({ rawBytes }) => rawBytes),
  );
});

test('a byte that changes in a row group or in the footer is told of, never read as something else', async () => {
  const lines = Array.from({ length: 50 }, (_, i) => encodeLine(event(`t/${i % 5}`, { payload: Buffer.alloc(40, i) }), i + 1, AT_MS + i));
  const { written, bytes } = await roundTrip(lines);
  const raw = String(Buffer.concat(lines));
  const [block] = written.blocks;
  let found = 0;
  for (let at = 0; at < bytes.length; at += 7) {
    const broken = Buffer.from(bytes);
    broken[at]! ^= 0x20;
    try {
      const file = await ParquetFile.parse(broken.subarray(block!.offset + block!.bytes));
      const text = String(await file.unpack(broken.subarray(block!.offset, block!.offset + block!.bytes), block!.offset));
      // Names and bounds that nothing is read by may change; the lines may not.
      assert.equal(text, raw, `byte ${at} of ${bytes.length}`);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'HYD_OBJECT_DAMAGED', `byte ${at}: ${error}`);
      found++;
    }
  }
  assert.ok(found > bytes.length / 7 / 3, `${found} of ${Math.ceil(bytes.length / 7)}`);
});
