import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../core/errors.ts';
import { captureIo } from '../testing/capture-io.ts';
import { runCli } from './cli.ts';
import { printError } from './error-text.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { READER_GONE } from './io.ts';

test('exit codes follow the error’s code', () => {
  for (const [code, exit] of [
    ['HYD_FILTER', EXIT.usage],
    ['HYD_CONFIG', EXIT.usage],
    ['HYD_CONNECT', EXIT.connect],
    ['HYD_REFUSED', EXIT.connect],
    ['HYD_TIMEOUT', EXIT.timeout],
    ['HYD_ABORTED', EXIT.interrupted],
    ['HYD_DATA_MISSING', EXIT.failed],
  ] as const) {
    assert.equal(exitCodeOf(new HydrantError(code, '')), exit, code);
  }
  assert.equal(exitCodeOf(new Error()), EXIT.failed);
});

test('an error says what and the fix, never a control character, and a defect asks for its stack', () => {
  const io = captureIo();
  printError(io, 'hydrant find', new HydrantError('HYD_FILTER', 'filter "\x1b[2J"'));
  assert.match(io.stderr.text, /^hydrant find: filter "\\x1b\[2J"\n {2}fix: Use \+/);
  const defect = captureIo();
  printError(defect, 'hydrant', new TypeError('x is undefined'));
  assert.match(defect.stderr.text, /x is undefined\n {2}This should not happen; run it again with HYDRANT_DEBUG=1/);
  const debug = captureIo({ env: { HYDRANT_DEBUG: '1' } });
  printError(debug, 'hydrant', new HydrantError('HYD_STATE', 'outer', { cause: new Error('inner') }));
  assert.match(debug.stderr.text, /HydrantError: outer\n {4}at (?:.*\n)*caused by Error: inner/);
});

test('nobody reading the output is no failure; an interruption is 130; a full disk under stdout is a failure', async () => {
  for (const [reason, exit, stderr] of [
    [READER_GONE, 0, ''],
    [new HydrantError('HYD_ABORTED', 'interrupted'), 130, ''],
    [
      Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }),
      1,
      'hydrant version: ENOSPC: no space left on device, write\n  fix: Free space on that disk.\n',
    ],
  ] as const) {
    const io = captureIo();
    io.abort(reason);
    assert.equal(await runCli(['version'], io), exit);
    assert.equal(io.stderr.text, stderr);
  }
});

test('signals are watched for commands that leave them to us only', async () => {
  let watched = 0;
  await runCli(['version'], captureIo(), () => watched++);
  await runCli(['up', '--set', 'nonsense'], captureIo(), () => watched++);
  assert.equal(watched, 1);
});

test('usage errors name the command whose help is meant', async () => {
  for (const [args, stderr] of [
    [['archive', 'lss'], /unknown command 'lss'\n {2}fix: Did you mean ls\? Run `hydrant archive --help`/],
    [['config', 'show', '--orgin'], /unknown option '--orgin'\n {2}fix: Did you mean --origin\? Run `hydrant config show --help`/],
    [['restore'], /missing required argument 'backup'\n {2}fix: Run `hydrant restore --help`/],
    [['version', 'x'], /too many arguments/],
  ] as const) {
    const io = captureIo();
    assert.equal(await runCli([...args], io), 2, args.join(' '));
    assert.match(io.stderr.text, stderr);
    assert.equal(io.stdout.text, '');
  }
});
