import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { run } from '../../testing/child.ts';
import { createRandom } from '../../testing/random.ts';
import { STATUS, type SubunitFields, subunitPacket } from '../../testing/subunit-stream.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import type { SubunitPacket } from './packet.ts';
import { type ParserCounts, SubunitParser } from './parser.ts';

/** Debian's own interpreter: the one that has python3-subunit. */
const PYTHON = '/usr/bin/python3';

interface Parsed {
  packets: SubunitPacket[];
  other: string;
  counts: ParserCounts;
}

function parse(pieces: Iterable<Buffer>): Parsed {
  const packets: SubunitPacket[] = [];
  const other: Buffer[] = [];
  const parser = new SubunitParser({
    onPacket: (packet) => void packets.push({ ...packet, ...(packet.fileBytes && { fileBytes: Buffer.from(packet.fileBytes) }) }),
    onOther: (bytes) => void other.push(Buffer.from(bytes)),
  });
  for (const piece of pieces) parser.push(piece);
  parser.end();
  return { packets, other: Buffer.concat(other).toString('latin1'), counts: parser.counts };
}

function* cut(bytes: Buffer, sizes: Iterable<number>): Generator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) return;
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

const STREAM = Buffer.concat([
  subunitPacket({ testId: 'a.b', status: STATUS.inprogress, seconds: 1_700_000_000, nanoseconds: 5000, runnable: true }),
  Buffer.from('said between\n'),
  subunitPacket({ testId: 'a.b', fileName: 'log', fileBytes: Buffer.alloc(70, 0xb3), mimeType: 'text/plain', eof: true, routeCode: '0' }),
  Buffer.of(0xb3),
  subunitPacket({ testId: 'a.b', status: STATUS.fail, tags: ['x', 'ÿ'], seconds: 1_700_000_001 }),
]);

test('a stream means the same wherever it is cut', () => {
  const whole = parse([STREAM]);
  assert.deepEqual(
    whole.packets.map(({ status, fileName, tags, routeCode }) => [status, fileName, tags, routeCode]),
    [
      ['inprogress', undefined, undefined, undefined],
      [undefined, 'log', undefined, '0'],
      ['fail', undefined, ['x', 'ÿ'], undefined],
    ],
  );
  assert.equal(whole.other, 'said between\n\xb3');
  for (let at = 0; at <= STREAM.length; at++) assert.deepEqual(parse([STREAM.subarray(0, at), STREAM.subarray(at)]), whole, `cut at ${at}`);
  assert.deepEqual(parse(cut(STREAM, Array(STREAM.length).fill(1))), whole);
});

const text = fc.string({ unit: 'binary', maxLength: 100 }).map((value) => value.toWellFormed());
const option = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const packet: fc.Arbitrary<SubunitFields> = fc.record({
  testId: option(text),
  status: fc.nat(7),
  tags: option(fc.array(text, { minLength: 1, maxLength: 5 })),
  seconds: option(fc.nat(2 ** 31 - 1)),
  nanoseconds: fc.nat(999_999_999),
  runnable: fc.boolean(),
  eof: fc.boolean(),
  mimeType: option(text),
  fileName: option(text),
  fileBytes: fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.nat(70_000).map((length) => Buffer.alloc(length, 0xb3)),
  ),
  routeCode: option(text),
}) as fc.Arbitrary<SubunitFields>;

test('every field of every packet is read, whatever stands between the packets and however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(packet, fc.string({ unit: fc.constantFrom('a', '\n', '0') })), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 200 }),
      (parts, sizes) => {
        const bytes = Buffer.concat(parts.flatMap(([fields, between]) => [subunitPacket(fields), Buffer.from(between)]));
        const { packets, other, counts } = parse(cut(bytes, sizes));
        assert.equal(other, parts.map(([, between]) => between).join(''));
        assert.equal(counts.damaged, 0);
        assert.deepEqual(
          packets,
          parts.map(([fields]) => expected(fields)),
        );
      },
    ),
  );
});

function expected(fields: SubunitFields): SubunitPacket {
  const {
    testId,
    status = 0,
    tags,
    seconds,
    nanoseconds = 0,
    runnable = false,
    eof = false,
    mimeType,
    fileName,
    fileBytes,
    routeCode,
  } = fields;
  const names = [undefined, 'exists', 'inprogress', 'success', 'uxsuccess', 'skip', 'fail', 'xfail'] as const;
  return {
    testId,
    status: names[status],
    tags,
    seconds,
    nanoseconds: seconds === undefined ? 0 : nanoseconds,
    runnable,
    eof,
    mimeType,
    fileName,
    fileBytes: fileName === undefined ? undefined : fileBytes,
    routeCode,
  };
}

test('a damaged byte costs the packet that it is in and no other', () => {
  const packets = ['one', 'two', 'three'].map((testId) => subunitPacket({ testId, status: STATUS.success, seconds: 7, tags: ['t'] }));
  const bytes = Buffer.concat(packets);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 1 << (at % 8);
    const hit = at < packets[0]!.length ? 'one' : at < bytes.length - packets[2]!.length ? 'two' : 'three';
    const left = ['one', 'two', 'three'].filter((name) => name !== hit);
    assert.deepEqual(
      parse([damaged]).packets.map(({ testId }) => testId),
      left,
      `byte ${at}`,
    );
  }
});

test('a stream that is cut off gives what was whole', () => {
  const first = subunitPacket({ testId: 'whole', status: STATUS.success });
  const second = subunitPacket({
    testId: 'cut',
    fileName: 'f',
    fileBytes: Buffer.concat([Buffer.alloc(50), subunitPacket({ testId: 'inside' }), Buffer.alloc(50)]),
  });
  const { packets, counts } = parse([first, second.subarray(0, -1)]);
  assert.deepEqual(
    packets.map(({ testId }) => testId),
    ['whole', 'inside'],
  );
  assert.equal(counts.damaged, 1);
});

test('a checksum that is right does not make a packet of fields that do not fill it', () => {
  const content = subunitPacket({ testId: 'abc', tags: ['t'] }).subarray(0, -4);
  const seal = (body: Buffer): Buffer => {
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(body));
    return Buffer.concat([body, checksum]);
  };
  const good = subunitPacket({ testId: 'good' });
  assert.equal(parse([seal(content), good]).packets.length, 2);
  for (const [at, length] of [
    [4, 2],
    [4, 60],
    [4, 0xff],
    [8, 0],
    [8, 9],
  ] as const) {
    const wrong = Buffer.from(content);
    wrong[at] = length;
    const { packets } = parse([seal(wrong), good]);
    assert.deepEqual(
      packets.map(({ testId }) => testId),
      ['good'],
      `${length} at ${at}`,
    );
  }
});

test('noise is no packet, and every byte of it is accounted for', () => {
  const random = createRandom('subunit noise');
  for (let round = 0; round < 300; round++) {
    const good = round % 3 === 0 ? [subunitPacket({ testId: 'good', status: STATUS.success })] : [];
    const noise = Buffer.from(
      Array.from({ length: random.between(1, 400) }, () => (random.between(0, 3) === 0 ? 0xb3 : random.between(0, 255))),
    );
    const bytes = Buffer.concat([noise, ...good]);
    const { packets, counts } = parse(
      cut(
        bytes,
        Array.from({ length: 30 }, () => random.between(1, 40)),
      ),
    );
    assert.equal(packets.length, good.length);
    assert.equal(counts.otherBytes, noise.length);
  }
});

test('a stream made of packets within packets is read in bounded work', () => {
  const begin = Buffer.of(0xb3, 0x20, 0x40, 0xbf, 0xff, 0xf0);
  const hostile = Buffer.alloc(12 * 2 ** 20);
  for (let at = 0; at + begin.length <= hostile.length; at += begin.length) begin.copy(hostile, at);
  const good = subunitPacket({ testId: 'good', status: STATUS.success });
  const { counts } = parse([hostile, good]);
  // Taken at each place, checksums over 4 MiB would be a million.
  assert.ok(counts.damaged > 1 && counts.damaged < 1000, `${counts.damaged}`);
});

const WRITE = `
import datetime, json, sys, subunit.v2
from subunit import iso8601
out = subunit.v2.StreamResultToBytes(sys.stdout.buffer)
start = datetime.datetime(2026, 3, 4, 11, 20, 7, 250000, tzinfo=iso8601.Utc())
statuses = [None, 'exists', 'inprogress', 'success', 'uxsuccess', 'skip', 'fail', 'xfail']
for i in range(200):
    out.status(test_id='module.Case.test_%d \\u00e9' % i if i % 5 else None, test_status=statuses[i % 8] if i % 5 else None,
        test_tags=['worker-%d' % (i % 4), 'slow'] if i % 3 == 0 else None, runnable=i % 2 == 0,
        file_name='traceback' if i % 4 == 1 else None, file_bytes=bytes([i]) * (i * 97) if i % 4 == 1 else None, eof=i % 7 == 0,
        mime_type='text/x-traceback;charset=utf8' if i % 4 == 1 else None, route_code='%d/0' % i if i % 6 == 0 else None,
        timestamp=start + datetime.timedelta(milliseconds=i * 37) if i % 2 else None)
`;
const READ = `
import json, sys, subunit.v2
class Result:
    def status(self, **fields):
        fields['test_tags'] = sorted(fields['test_tags']) if fields['test_tags'] is not None else None
        fields['file_bytes'] = len(fields['file_bytes']) if fields['file_bytes'] is not None else None
        stamp = fields.pop('timestamp')
        fields['timestamp'] = [int(stamp.timestamp()), stamp.microsecond] if stamp is not None else None
        print(json.dumps(fields))
with open(sys.argv[1], 'rb') as stream:
    subunit.v2.ByteStreamToStreamResult(stream).run(Result())
`;

test("streams of Python's subunit are read as it reads them itself", async () => {
  const shell = `"$0" -c "$1" > "$3" && "$0" -c "$2" "$3" && base64 -w0 "$3" >&2`;
  await using folder = await createTempFolder();
  const { code, stdout, stderr } = await run('sh', ['-c', shell, PYTHON, WRITE, READ, join(folder.path, 'stream')]);
  assert.equal(code, 0, stderr);
  const { packets, counts } = parse(cut(Buffer.from(stderr, 'base64'), Array(50).fill(1000)));
  assert.deepEqual({ ...counts }, { packets: 200, otherBytes: 0, damaged: 0 });
  const theirs = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const ours = packets.map((packet) => ({
    test_id: packet.testId ?? null,
    test_status: packet.status ?? null,
    test_tags: packet.tags?.toSorted() ?? null,
    runnable: packet.runnable,
    mime_type: packet.mimeType ?? null,
    eof: packet.eof,
    file_name: packet.fileName ?? null,
    file_bytes: packet.fileBytes?.length ?? null,
    route_code: packet.routeCode ?? null,
    timestamp: packet.seconds === undefined ? null : [packet.seconds, packet.nanoseconds / 1000],
  }));
  assert.deepEqual(ours, theirs);
});
