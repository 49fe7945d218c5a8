import { parseArgs } from 'node:util';
import { errorText } from '../../src/core/errors.ts';
import { describeCase, type Finding, runCases } from './run.ts';
import { makeCase } from './script.ts';
import { Subject } from './subject.ts';

const WARM_UP_CASES = 200;

const USAGE = `npm run fuzz -- [--seconds N] [--seed N] [--case M]

Plays broken and whole packet sequences against a server of its own, as many as fit into the time, and says what it did wrong.

  --seconds  how long, default 60
  --seed     what the sequences are made from; default: the clock
  --case     only this one, again and again (once, without --seconds); what it sends is printed
`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string' },
    case: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}

const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const only = values.case === undefined ? undefined : Number(values.case);
const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
for (const number of [seed, only ?? 0, seconds ?? 0]) {
  if (Number.isFinite(number)) continue;
  process.stderr.write(USAGE);
  process.exit(2);
}

console.log(`seed ${seed}`);
const findings = await (only === undefined ? fuzz(seconds ?? 60) : replay(only)).catch((error) => [{ text: errorText(error), cases: [] }]);
for (const { cases, text } of findings) {
  console.log(`\n${text}`);
  for (const index of cases.slice(0, 5)) console.log(`  npm run fuzz -- --seed ${seed} --case ${index}`);
}
process.exit(findings.length > 0 ? 1 : 0);

async function fuzz(length: number): Promise<Finding[]> {
  await using subject = await Subject.start();
  // Caches, compiled code and the first few sessions are no leak.
  const warmUp = await runCases(subject, { seed, cases: WARM_UP_CASES });
  if (warmUp.findings.length > 0) return warmUp.findings;
  await subject.remember();
  const { played, findings } = await runCases(subject, { seed, first: WARM_UP_CASES, seconds: length });
  const { beats, slowestMs } = subject.canary;
  console.log(`${played + WARM_UP_CASES} cases, ${beats} beats of the canary, the slowest ${Math.round(slowestMs)} ms`);
  if (findings.length > 0) return findings;
  console.log(await subject.checkLeftovers());
  await subject.checkRestart();
  return [];
}

async function replay(index: number): Promise<Finding[]> {
  console.log(describeCase(makeCase(seed, index)));
  await using subject = await Subject.start();
  const untilMs = performance.now() + (seconds ?? 0) * 1000;
  for (;;) {
    const { findings } = await runCases(subject, { seed, first: index, cases: 1, lanes: 1 });
    if (findings.length > 0 || performance.now() >= untilMs) return findings;
  }
}
