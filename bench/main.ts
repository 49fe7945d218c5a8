import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runFind } from './find.ts';
import { buildGenerator } from './generator.ts';
import { runIdle } from './idle.ts';
import { runIntake } from './intake.ts';
import { runJournal } from './journal.ts';
import { describeMachine } from './machine.ts';
import { runOffline } from './offline.ts';
import { runOutbox } from './outbox.ts';
import { writeReport } from './report.ts';
import { median, type Result, resultsFolder, saveResult } from './results.ts';
import { runSources } from './sources.ts';
import { runStalledReader } from './stalled-reader.ts';
import { runBigJournal, runStartup } from './startup.ts';
import { type RunOptions, runScenario, SCENARIOS } from './throughput.ts';
import { runWildcards } from './wildcards.ts';

/** Every benchmark, in the order in which they run. `big-journal` writes 10 GB and runs only when named. */
const BENCHMARKS: Record<string, (options: RunOptions) => Promise<Result['runs']>> = {
  ...Object.fromEntries(SCENARIOS.map((scenario) => [scenario.name, (options: RunOptions) => runScenario(scenario, options)])),
  'stalled-reader': runStalledReader,
  wildcards: runWildcards,
  'idle-5000': runIdle,
  startup: runStartup,
  journal: runJournal,
  offline: runOffline,
  find: runFind,
  intake: runIntake,
  outbox: runOutbox,
  sources: runSources,
  'big-journal': runBigJournal,
};
const BY_NAME_ONLY = new Set(['big-journal']);

const USAGE = `npm run bench -- [NAME…] [--runs N] [--seconds S] [--report FILE]

Measures Hydrant and Debian's Mosquitto in turn and writes docs/benchmarks.md from what bench/results/ holds.

  NAME         ${Object.keys(BENCHMARKS).join(', ')}
               Default: all but ${[...BY_NAME_ONLY].join(', ')}.
  --runs       measured runs of each, default 3
  --seconds    the least length of a run, default 3
  --report     where the page goes, default docs/benchmarks.md
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string' }, seconds: { type: 'string' }, report: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});
const unknown = positionals.find((name) => !(name in BENCHMARKS));
if (values.help || unknown) {
  process.stdout.write(unknown ? `There is no benchmark named ${unknown}.\n\n${USAGE}` : USAGE);
  process.exit(unknown ? 2 : 0);
}

const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS).filter((name) => !BY_NAME_ONLY.has(name));
const folder = mkdtempSync(join(resultsFolder, 'run-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

buildGenerator();
const machine = describeMachine(folder);
const options: RunOptions = { runs: Number(values.runs ?? 3), seconds: Number(values.seconds ?? 3), folder };
for (const name of names) {
  console.log(`${name} …`);
  const runs = await BENCHMARKS[name]!(options);
  saveResult(name, { at: new Date().toISOString(), machine, runs });
  for (const [series, figures] of Object.entries(runs)) {
    const text = Object.entries(figures).map(([figure, list]) => `${figure} ${median(list).toFixed(2)}`);
    console.log(`  ${series.padEnd(14)} ${text.join('  ')}`);
  }
}
const report = values.report ?? new URL('../docs/benchmarks.md', import.meta.url).pathname;
writeFileSync(report, writeReport());
console.log(`written: ${report}`);
