import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../mqtt/incoming.ts';
import { captureIo } from '../testing/capture-io.ts';
import type { SubOptions } from './commands/sub.ts';
import { createMessagePrinter } from './message-printer.ts';

const message = {
  topic: 'a\x1b[2J/b',
  payload: Buffer.from('one\n\x1b]0;owned\x07\xff', 'latin1'),
  qos: 0,
  retain: false,
  dup: false,
} as unknown as Message;

async function printed(options: Partial<SubOptions>, terminal?: number): Promise<Buffer> {
  const io = captureIo({ terminal, env: { NO_COLOR: '1' } });
  const printer = createMessagePrinter({ eol: true, tz: 'UTC', ...options } as SubOptions, io);
  await printer.print(message);
  await printer.end();
  return io.stdout.bytes;
}

test('a pipe gets topic and payload byte for byte', async () => {
  const expected = Buffer.concat([Buffer.from('a\x1b[2J/b '), message.payload, Buffer.from('\n')]);
  assert.deepEqual(await printed({ verbose: true }), expected);
  assert.deepEqual(await printed({ eol: false }), message.payload);
});

test('a terminal gets no control character, whatever the format', async () => {
  for (const options of [{ verbose: true }, {}, { format: '%t %p' }, { output: 'table' }] as Partial<SubOptions>[]) {
    const text = (await printed(options, 200)).toString();
    assert.doesNotMatch(text.replaceAll('\n', ''), /\p{Cc}/u, JSON.stringify(options));
    assert.match(text, /\\x1b\]0;owned\\x07/);
  }
});
