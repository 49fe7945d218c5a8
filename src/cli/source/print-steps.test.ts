import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captureIo } from '../../testing/capture-io.ts';
import { printSteps } from './print-steps.ts';

test('what a signal broke off is neither said to have failed nor to work', async () => {
  const io = captureIo();
  const steps = async function* () {
    yield { ok: true as const, what: 'the server is there' };
    io.abort(new Error('SIGINT'));
    yield { ok: false as const, what: 'the source', why: 'there was no answer in time', fix: '--wait gives more time.' };
  };
  await printSteps(io, steps(), 30_000);
  const silent = async function* () {};
  await printSteps(io, silent(), 30_000);
  assert.equal(io.stdout.text, 'ok     the server is there\n');
});
