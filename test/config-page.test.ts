import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configPage } from '../scripts/config-page.ts';

test('docs/reference/config.md says what the schema says (if not: npm run docs)', () => {
  assert.equal(readFileSync(new URL('../docs/reference/config.md', import.meta.url), 'utf8'), configPage());
});
