// Runs the tests: all of them, or the files and flags given (`npm test -- test/layers.test.ts --test-name-pattern=cycle`).
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const given = process.argv.slice(2);
const files = given.some((arg) => !arg.startsWith('-')) ? [] : ['src/**/*.test.ts', 'test/**/*.test.ts'];
const args = [
  '--test',
  // Two cores; crash and fault tests start servers of their own.
  '--test-concurrency=2',
  // Counts for a whole file too, so it must outlast the longest one (crash rounds).
  '--test-timeout=480000',
  '--test-reporter=spec',
  '--test-reporter-destination=stdout',
  `--test-reporter=${join(root, 'scripts', 'no-skips.mjs')}`,
  '--test-reporter-destination=stderr',
  '--disable-warning=ExperimentalWarning',
];
const done = spawnSync('node', [...args, ...given, ...files], { cwd: root, stdio: 'inherit' });
if (done.error) throw done.error;
process.exit(done.status ?? 1);
