import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { clientPage } from '../scripts/client-page.ts';

const page = clientPage();

test('docs/reference/client.md says what the docstrings say (if not: npm run docs)', () => {
  assert.equal(readFileSync(new URL('../docs/reference/client.md', import.meta.url), 'utf8'), page);
});

test('every function of hydrant/client is explained', () => {
  const sections = page.split('\n## ').filter((section) => section.includes('```ts\nfunction'));
  assert.ok(sections.length >= 10);
  for (const section of sections) assert.match(section, /```\n\n[A-Z`]/, section.slice(0, 80));
});
