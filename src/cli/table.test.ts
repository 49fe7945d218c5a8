import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captureIo } from '../testing/capture-io.ts';
import { TableWriter } from './table.ts';

const columns = [{ title: 'N', right: true }, { title: 'TOPIC' }, { title: 'PAYLOAD' }];

test('columns are as wide as what is in them, and lines end at the edge of the terminal', async () => {
  const io = captureIo({ terminal: 20, env: { NO_COLOR: '1' } });
  const table = new TableWriter(io, columns);
  await table.row(['1', 'a/b', 'x'.repeat(40)]);
  await table.row(['200', '日本', 'y']);
  await table.flush();
  assert.equal(io.stdout.text, '  N  TOPIC  PAYLOAD\n  1  a/b    xxxxxxx…\n200  日本   y\n');
});

test('a terminal that does not know its width gets whole lines', async () => {
  const io = captureIo({ terminal: 0, env: { NO_COLOR: '1' } });
  const table = new TableWriter(io, columns);
  await table.row(['1', 'a', 'x'.repeat(300)]);
  await table.flush();
  assert.match(io.stdout.text, /^N {2}TOPIC {2}PAYLOAD\n.*x{300}\n$/);
});

test('a pipe gets whole lines', async () => {
  const io = captureIo();
  const table = new TableWriter(io, columns);
  await table.row(['1', 'a', 'x'.repeat(300)]);
  await table.flush();
  assert.match(io.stdout.text, /x{300}\n$/);
});

test('titles come once, however often it is flushed', async () => {
  const io = captureIo();
  const table = new TableWriter(io, columns);
  for (let i = 0; i < 450; i++) await table.row([String(i), 't', 'p']);
  await table.flush();
  assert.equal(io.stdout.text.split('\n').filter((line) => line.includes('TOPIC')).length, 1);
  assert.equal(io.stdout.text.split('\n').length, 452);
});

test('colour goes to terminals only, and not when NO_COLOR is set', async () => {
  for (const [options, coloured] of [
    [{ terminal: 80 }, true],
    [{ terminal: 80, env: { NO_COLOR: '1' } }, false],
    [{}, false],
  ] as const) {
    const io = captureIo(options);
    const table = new TableWriter(io, columns);
    await table.row(['1', 'a', 'b']);
    await table.flush();
    assert.equal(io.stdout.text.includes('\x1b['), coloured, JSON.stringify(options));
  }
});
