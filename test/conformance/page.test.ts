import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { conformancePage } from '../../scripts/conformance-page.ts';
import { findProblems, STANDARDS } from './clauses.ts';
import { readTitles, type Standard, titlesIn } from './titles.ts';

test('docs/reference/mqtt-conformance.md says what the tests say (if not: npm run docs)', () => {
  const file = new URL('../../docs/reference/mqtt-conformance.md', import.meta.url);
  const [page, fresh] = [readFileSync(file, 'utf8'), conformancePage()].map((text) => text.split('\n'));
  assert.deepEqual(
    page?.filter((line, at) => line !== fresh?.[at]),
    [],
  );
  assert.equal(page?.length, fresh?.length);
});

test('every statement that binds a server has a test, or a reason why not; every clause in a title exists', () => {
  assert.deepEqual(findProblems(readTitles()), []);
});

test('every clause that a comment names exists', () => {
  const root = new URL('../../', import.meta.url);
  for (const file of globSync('src/**/*.ts', { cwd: root.pathname, exclude: ['**/*.test.ts'] })) {
    for (const [, standard, id] of readFileSync(new URL(file, root), 'utf8').matchAll(/\[(MQTT3?)-([\d.]+-\d+)/g)) {
      assert.ok(id! in STANDARDS[standard as Standard], `${file}: there is no [${standard}-${id}]`);
    }
  }
});

/** Titles in a source where `test` is called TEST, lest they be read as titles of this file. */
const titlesOf = (source: string) => titlesIn('x.test.ts', source.replaceAll('TEST', 'test'));

test('a title is read as it is written: quotes, templates, several clauses, broken lines', () => {
  const source = [
    "TEST('[MQTT-1.0.0-1] [MQTT3-2.0.0-2] one', () => {});",
    `TEST(\`[MQTT-3.0.0-3] two \${what} and \`, async () => {});`,
    `TEST("it's three [MQTT-1.0.0-1]", () => {});`,
    "  TEST(\n    '[MQTT-4.0.0-4] four',",
    "// [MQTT-5.0.0-5]\nregex.TEST('[MQTT-5.0.0-5]');",
  ].join('\n');
  assert.deepEqual(
    titlesOf(source).map(({ text, clauses }) => [text, clauses.map(({ standard, id }) => `${standard}-${id}`)]),
    [
      ['one', ['MQTT-1.0.0-1', 'MQTT3-2.0.0-2']],
      ['two … and', ['MQTT-3.0.0-3']],
      ["it's three", ['MQTT-1.0.0-1']],
      ['four', ['MQTT-4.0.0-4']],
    ],
  );
});

test('a missing test, a needless reason, an unknown clause and a misspelt one are problems', () => {
  const standards = {
    MQTT: { '1-1': ['server', 'a'], '1-2': ['client', 'b'], '1-3': ['both', 'c', 'why'], '1-4': ['both', 'd'] },
    MQTT3: {},
  } as const;
  assert.deepEqual(findProblems(titlesOf("TEST('[MQTT-1-3] [MQTT3-1-1] [MQTT-1-4] [MQTT5-1-1] x', () => {});"), standards), [
    'x.test.ts names [MQTT3-1-1], which there is not',
    'x.test.ts has a clause that is not read as one: [MQTT5-1-1] x',
    '[MQTT-1-1] has neither a test nor a reason: a',
    '[MQTT-1-3] has a test, and a reason why it has none',
  ]);
});
