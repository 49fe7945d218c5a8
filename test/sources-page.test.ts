import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sourcesPage } from '../scripts/sources-page.ts';

test('docs/reference/sources.md says what the kinds of sources take (if not: npm run docs)', () => {
  assert.equal(readFileSync(new URL('../docs/reference/sources.md', import.meta.url), 'utf8'), sourcesPage());
});
