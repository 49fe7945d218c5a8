import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorsPage } from '../scripts/errors-page.ts';
import { ERRORS } from '../src/core/errors.ts';

const root = new URL('../', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, root), 'utf8');

test('docs/reference/errors.md says what the table says (if not: npm run docs)', () => {
  assert.equal(read('docs/reference/errors.md'), errorsPage());
});

test('every code of the table is raised somewhere, and every code raised is in the table', () => {
  const sources = globSync('src/**/*.ts', { cwd: root.pathname, exclude: ['src/**/*.test.ts', 'src/core/errors.ts'] })
    .map(read)
    .join('\n');
  const raised = new Set(sources.match(/(?<=')HYD_[A-Z_]+(?=')/g));
  assert.deepEqual([...raised].sort(), Object.keys(ERRORS).sort());
});

test('every code has a fix that is a sentence', () => {
  for (const [code, { fix }] of Object.entries(ERRORS)) assert.match(fix, /^[A-Z`].{15,}\.$/, code);
});
