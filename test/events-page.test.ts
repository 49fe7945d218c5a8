import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { eventsPage } from '../scripts/events-page.ts';

test('docs/reference/events.md says what the schemas of the sources say (if not: npm run docs)', () => {
  assert.equal(readFileSync(new URL('../docs/reference/events.md', import.meta.url), 'utf8'), eventsPage());
});
