import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeManifest, encodeManifest, extendPart, type Manifest, type ManifestPart } from './manifest.ts';

const manifest = (): Manifest => ({
  v: 1,
  object: '0123456789abcdef-00ff00ff-000000000000001-000000000000003.ndjson.gz',
  codec: 'gzip',
  parts: [
    {
      journal: '0123456789abcdef',
      epoch: '00ff00ff',
      firstSeq: 1,
      lastSeq: 3,
      count: 2,
      absent: [{ first: 2, last: 2, reason: 'excluded' }],
    },
  ],
  count: 2,
  minTs: '2026-11-21T10:17:42.123000001Z',
  maxTs: '2026-11-21T10:17:43.000000001Z',
  rawBytes: 200,
  bytes: 90,
  rawSha256: 'a'.repeat(64),
  sha256: 'b'.repeat(64),
  blocks: [
    {
      part: 0,
      offset: 0,
      bytes: 90,
      rawBytes: 200,
      firstSeq: 1,
      count: 2,
      minTs: '2026-11-21T10:17:42.123000001Z',
      maxTs: '2026-11-21T10:17:43.000000001Z',
    },
  ],
  topics: { list: ['a', 'b'] },
  sealedAt: '2026-11-21T11:00:00.000Z',
});

// This is the format. A change here is a new version of it.
const GOLDEN =
  '{"v":1,"object":"0123456789abcdef-00ff00ff-000000000000001-000000000000003.ndjson.gz","codec":"gzip",' +
  '"parts":[{"journal":"0123456789abcdef","epoch":"00ff00ff","firstSeq":1,"lastSeq":3,"count":2,"absent":[{"first":2,"last":2,"reason":"excluded"}]}],' +
  '"count":2,"minTs":"2026-11-21T10:17:42.123000001Z","maxTs":"2026-11-21T10:17:43.000000001Z","rawBytes":200,"bytes":90,' +
  `"rawSha256":"${'a'.repeat(64)}","sha256":"${'b'.repeat(64)}",` +
  '"blocks":[{"part":0,"offset":0,"bytes":90,"rawBytes":200,"firstSeq":1,"count":2,"minTs":"2026-11-21T10:17:42.123000001Z","maxTs":"2026-11-21T10:17:43.000000001Z"}],' +
  '"topics":{"list":["a","b"]},"sealedAt":"2026-11-21T11:00:00.000Z"}\n';

test('golden manifest', () => {
  assert.equal(String(encodeManifest(manifest())), GOLDEN);
  assert.deepEqual(decodeManifest(Buffer.from(GOLDEN), 'x'), manifest());
});

test('fields of a later addition are skipped', () => {
  assert.deepEqual(decodeManifest(Buffer.from(GOLDEN.replace('"v":1,', '"v":1,"later":{"x":1},')), 'x'), manifest());
});

test('what is no manifest is refused with its name and the field at fault', () => {
  const refused = (text: string, why: RegExp) =>
    assert.throws(() => decodeManifest(Buffer.from(text), 'day.manifest.json'), { code: 'HYD_MANIFEST', message: why });
  refused('', /day\.manifest\.json is not JSON/);
  refused('{}', /day\.manifest\.json: v: /);
  refused(GOLDEN.replace('"v":1', '"v":2'), /: v: /);
  refused(GOLDEN.replace('"codec":"gzip"', '"codec":"lz4"'), /: codec: /);
  refused(GOLDEN.replace('"epoch":"00ff00ff"', '"epoch":"../../etc"'), /: parts\.0\.epoch: /);
  refused(GOLDEN.replace('"bytes":90', '"bytes":-1'), /: bytes: /);
});

test('counts that contradict each other are refused', () => {
  for (const change of [
    (broken: Manifest) => broken.count++,
    (broken: Manifest) => broken.blocks[0]!.count++,
    (broken: Manifest) => broken.parts[0]!.count--,
    (broken: Manifest) => broken.blocks[0]!.part++,
  ]) {
    const broken = manifest();
    change(broken);
    assert.throws(() => decodeManifest(encodeManifest(broken), 'x'), { code: 'HYD_MANIFEST', message: /counts/ });
  }
});

test('runs of an epoch that follow each other become one that says what both said; others stay apart', () => {
  const part = (firstSeq: number, more: Partial<ManifestPart> = {}): ManifestPart => {
    return { journal: '0'.repeat(16), epoch: '1'.repeat(8), firstSeq, lastSeq: firstSeq + 1, count: 2, absent: [], ...more };
  };
  const gap = { seq: 3, reason: 'session-lost', broker: 'mqtt://b', from: '2026-11-20T09:00:00Z', until: '2026-11-20T10:00:00Z' };
  const start = { opened: '2026-11-20T09:00:00Z' };
  const whole = part(1, { dup: 1, start });
  assert.ok(extendPart(whole, part(3, { dup: 2, gaps: [gap], absent: [{ first: 3, last: 3, reason: 'excluded' }], count: 1 })));
  assert.ok(extendPart(whole, part(5)));
  assert.deepEqual(
    whole,
    part(1, { lastSeq: 6, count: 5, dup: 3, gaps: [gap], absent: [{ first: 3, last: 3, reason: 'excluded' }], start }),
  );
  for (const other of [part(8), part(7, { epoch: '2'.repeat(8) }), part(7, { journal: '3'.repeat(16) })])
    assert.ok(!extendPart(whole, other));
});
