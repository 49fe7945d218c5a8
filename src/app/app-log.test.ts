import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createJsonLog, createTextLog } from './app-log.ts';

function collect() {
  const stream = new PassThrough();
  return { stream, lines: () => ((stream.read() as Buffer | null)?.toString() ?? '').split('\n').slice(0, -1) };
}

test('a JSON entry is one line with level, time, fields and message', () => {
  const { stream, lines } = collect();
  const { log } = createJsonLog(stream, 'info');
  log('warn', 'the disk is\nfull', { code: 'ENOSPC', topic: 'a"b' });
  const [line, ...more] = lines();
  const { time, ...rest } = JSON.parse(line!);
  assert.deepEqual(rest, { level: 'warn', code: 'ENOSPC', topic: 'a"b', message: 'the disk is\nfull' });
  assert.equal(new Date(time).toISOString(), time);
  assert.deepEqual(more, []);
});

test('a text entry is one line, and nothing in it is a control character', () => {
  const { stream, lines } = collect();
  const { log } = createTextLog(stream, 'info', () => new Date('2026-11-21T10:15:02Z'));
  log('warn', 'client \u001b[31m went\n', { client: 'x\u009b1m "y"', count: 3 });
  assert.deepEqual(lines(), ['10:15:02 warn  client \\u001b[31m went\\u000a  client=x\\u009b1m "y" count=3']);
});

for (const [name, create] of [
  ['JSON', createJsonLog],
  ['text', createTextLog],
] as const) {
  test(`the level of a ${name} log can change while it runs`, () => {
    const { stream, lines } = collect();
    const { log, setLevel } = create(stream, 'warn');
    log('info', 'not yet');
    setLevel('debug');
    log('debug', 'now');
    setLevel('error');
    log('warn', 'not any more');
    const seen = lines();
    assert.equal(seen.length, 1);
    assert.match(seen[0]!, /now/);
  });
}
