import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { packBlock, unpackBlock } from '../codec.ts';
import { unpackStream } from './unpack-stream.ts';

const lines = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `line ${i} ${Math.sin(i)}\n`).join(''));
const half = lines.length >> 1;

async function* inSteps(bytes: Buffer, step: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

async function unpack(
  bytes: Buffer,
  codec: 'gzip' | 'zstd' | 'plain',
  step = 10_000,
): Promise<{ raw: Buffer; error?: Error & { code?: string } }> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of unpackStream(inSteps(bytes, step), codec)) chunks.push(chunk);
  } catch (error) {
    return { raw: Buffer.concat(chunks), error: error as Error };
  }
  return { raw: Buffer.concat(chunks) };
}

for (const codec of ['gzip', 'zstd'] as const) {
  test(`${codec}: a block unpacks to what it was, and only as a whole`, () => {
    const packed = packBlock(lines, codec, 3);
    assert.ok(lines.equals(unpackBlock(packed, codec, lines.length)));
    const damaged = (bytes: Buffer, rawBytes = lines.length) =>
      assert.throws(() => unpackBlock(bytes, codec, rawBytes), { code: 'HYD_OBJECT_DAMAGED' });
    damaged(packed, lines.length - 1);
    damaged(packed, lines.length + 1);
    damaged(packed.subarray(0, packed.length - 1));
    damaged(Buffer.alloc(0));
    damaged(Buffer.concat([packed, packed]));
    for (const at of [packed.length >> 2, packed.length >> 1, packed.length - 3]) {
      const flipped = Buffer.from(packed);
      flipped[at]! ^= 4;
      damaged(flipped);
    }
  });

  test(`${codec}: all blocks of an object are unpacked as a stream, not the first alone`, async () => {
    const object = Buffer.concat([packBlock(lines.subarray(0, half), codec, 3), packBlock(lines.subarray(half), codec, 3)]);
    for (const step of [997, 10_000, object.length]) {
      const { raw, error } = await unpack(object, codec, step);
      assert.equal(error, undefined);
      assert.ok(raw.equals(lines), `in steps of ${step}`);
    }
  });

  test(`${codec}: an object that is cut off gives what is whole, then says so`, async () => {
    const first = packBlock(lines.subarray(0, half), codec, 3);
    const object = Buffer.concat([first, packBlock(lines.subarray(half), codec, 3)]);
    const { raw, error } = await unpack(object.subarray(0, first.length + 5000), codec);
    assert.equal(error?.code, 'HYD_OBJECT_DAMAGED');
    assert.match(error!.message, /cut off/);
    assert.ok(raw.length >= half && raw.equals(lines.subarray(0, raw.length)));
  });

  test(`${codec}: what is not ${codec} is damaged`, async () => {
    const { raw, error } = await unpack(Buffer.from('plain text, whatever the name says'), codec);
    assert.equal(error?.code, 'HYD_OBJECT_DAMAGED');
    assert.equal(raw.length, 0);
  });
}

test('a zstd frame without a checksum is read too', async () => {
  assert.ok((await unpack(zstdCompressSync(lines), 'zstd')).raw.equals(lines));
});

test('what the source throws comes through', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield packBlock(lines, 'gzip', 1).subarray(0, 100);
    throw Object.assign(new Error('gone'), { code: 'EIO' });
  }
  await assert.rejects(async () => {
    for await (const _ of unpackStream(broken(), 'gzip'));
  }, /gone/);
});

test('leaving a stream early ends its source', async () => {
  let ended = false;
  async function* source(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield packBlock(lines, 'gzip', 1);
    } finally {
      ended = true;
    }
  }
  for await (const _ of unpackStream(source(), 'gzip')) break;
  assert.equal(ended, true);
});
