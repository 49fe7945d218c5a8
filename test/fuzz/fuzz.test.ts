import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Finding, runCases } from './run.ts';
import { Subject } from './subject.ts';

/** The same cases in every run, then others for a while. */
const FIXED_SEED = 1;
const FIXED_CASES = 400;
const RANDOM_SECONDS = 8;

test('broken and whole packet sequences from many clients at once harm nobody but their senders', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  console.log(`fuzz: SEED=${seed}`);
  await using subject = await Subject.start();
  const first = await runCases(subject, { seed: FIXED_SEED, cases: FIXED_CASES });
  assert.deepEqual(replays(FIXED_SEED, first.findings), []);
  assert.equal(first.played, FIXED_CASES);
  await subject.remember();
  const second = await runCases(subject, { seed, seconds: RANDOM_SECONDS });
  assert.deepEqual(replays(seed, second.findings), []);
  assert.ok(second.played > 0 && subject.canary.beats > 0);
  console.log(await subject.checkLeftovers());
  await subject.checkRestart();
});

function replays(seed: number, findings: Finding[]): string[] {
  return findings.map(({ text, cases }) => `${text} (npm run fuzz -- --seed ${seed} --case ${cases[0]})`);
}
