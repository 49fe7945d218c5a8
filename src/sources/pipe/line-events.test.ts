import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import type { SourceContext, SourceEvent } from '../source.ts';
import { LineEvents } from './line-events.ts';
import { execOptions } from './options.ts';

test('a line that could not be stored is published again, and the stream is read on where it stood', async () => {
  const texts: string[] = [];
  let isFull = false;
  const publish = async (event: SourceEvent) => {
    if (isFull) throw new HydrantError('HYD_OUTBOX_FULL', 'full');
    texts.push(String(event.payload));
    isFull = texts.length === 2;
    return { id: '', stored: Promise.resolve(), acked: Promise.resolve() };
  };
  const events = new LineEvents(execOptions.parse({ topic: 'l', command: ['x'] }), { publish, now: Date.now } as unknown as SourceContext);
  const stream = new PassThrough();
  stream.end('1\n2\n3\n4\n');
  const lines = events.linesOf(stream);
  await assert.rejects(events.publishFrom(lines), { code: 'HYD_OUTBOX_FULL' });
  isFull = false;
  await events.publishAgain();
  await events.publishFrom(lines);
  assert.deepEqual(texts, ['1', '2', '3', '4']);
});
