import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { captureIo } from '../testing/capture-io.ts';
import { readLines, readPayloads } from './payloads.ts';

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const each of source) all.push(each);
  return all;
}

async function lines(...chunks: string[]): Promise<string[]> {
  return (await collect(readLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk)))))).map(String);
}

test('lines are cut at newlines wherever the chunks end', async () => {
  assert.deepEqual(await lines('a\nb', 'c\r\n', '\n', 'd'), ['a', 'bc', '', 'd']);
  assert.deepEqual(await lines('a\n'), ['a']);
  assert.deepEqual(await lines(), []);
});

test('a message is repeated as often as asked', async () => {
  assert.deepEqual((await collect(readPayloads({ message: 'x', repeat: 3 }, captureIo()))).map(String), ['x', 'x', 'x']);
});

test('stdin is one payload, byte for byte', async () => {
  const bytes = Buffer.from([0, 10, 255, 13, 10]);
  assert.deepEqual(await collect(readPayloads({ stdinFile: true }, captureIo({ input: bytes }))), [bytes]);
});

test('no message, and two of them, are usage errors that list the choice', () => {
  assert.throws(() => readPayloads({}, captureIo()), { code: 'HYD_USAGE', message: 'no message was given' });
  assert.throws(() => readPayloads({ message: 'a', nullMessage: true }, captureIo()), {
    code: 'HYD_USAGE',
    message: '-m and -n exclude each other',
  });
});
