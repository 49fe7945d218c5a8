import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { SCHEMAS } from './schemas.ts';

const derived = (name: string, data: unknown, topic = '') =>
  SCHEMAS.find((schema) => schema.name === `webhook.${name}`)!.derive(data, topic);

test('every schema compiles, its example is valid, and a body of another kind is not', () => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  assert.equal(new Set(SCHEMAS.map(({ name }) => name)).size, SCHEMAS.length);
  for (const { name, topic, schema, examples } of SCHEMAS) {
    const validate = ajv.compile(schema);
    for (const example of examples) assert.ok(validate(example), `${name}: ${ajv.errorsText(validate.errors)}`);
    assert.ok(!validate([]), name);
    assert.match(topic, /^\{base\}\//);
    for (const field of (schema.required as string[] | undefined) ?? [])
      assert.ok(!validate({ ...(examples[0] as object), [field]: undefined }), `${name} without ${field}`);
  }
});

test('examples say in a line who did what, and where to look', () => {
  const lines = SCHEMAS.map(({ name, topic, examples, derive }) => [name, derive(examples[0], topic.replace('{event}', 'other'))] as const);
  for (const [name, { summary }] of lines) {
    assert.doesNotMatch(summary, /undefined|null|Somebody|a repository|a project|^$|[{}]|\n/, name);
    assert.ok(summary.length <= 200, name);
  }
  assert.equal(new Set(lines.map(([, { summary }]) => summary)).size, SCHEMAS.length);
  const of = (name: string) => lines.find(([known]) => known === `webhook.${name}`)![1];
  assert.deepEqual(of('github-issues'), {
    summary: 'omarh opened an issue of waterworks/sluice #42: Gate 3 reports closed while it opens',
    url: 'https://github.example/waterworks/sluice/issues/42',
    people: ['omarh'],
    severity: 'info',
  });
  assert.deepEqual(of('launchpad-bug'), {
    summary: 'kiln bug 2088143: Cools before the timer ends (status-changed)',
    url: 'https://launchpad.net/bugs/2088143',
    people: ['noor', 'iris'],
    severity: 'warning',
  });
  assert.deepEqual(of('alertmanager'), {
    summary: 'PumpStalled firing: Pump 2 does not turn',
    url: 'http://alertmanager.example:9093',
    people: [],
    severity: 'error',
  });
});

test('what failed is an error, what was given up is a warning, the rest is news', () => {
  const run = (conclusion: string): string => derived('github-workflow_run', { workflow_run: { conclusion } }).severity;
  assert.deepEqual(['failure', 'timed_out', 'success', 'cancelled'].map(run), ['error', 'warning', 'info', 'info']);
  const pipeline = (status: string): string => derived('gitlab-pipeline', { object_attributes: { status } }).severity;
  assert.deepEqual(['failed', 'canceled', 'running'].map(pipeline), ['error', 'warning', 'info']);
  const alert = (status: string, severity: string): string => derived('alertmanager', { status, commonLabels: { severity } }).severity;
  assert.deepEqual([alert('firing', 'page'), alert('firing', 'info'), alert('resolved', 'critical')], ['error', 'warning', 'info']);
});

test('a title of any length, over any number of lines, is one short line', () => {
  const { summary } = derived('gitlab-issue', { object_attributes: { title: `a\r\n\tb\u2028${'🎉'.repeat(500)}` } });
  assert.match(summary, /: a b 🎉/u);
  assert.ok(summary.length <= 200 && summary.endsWith('…') && summary.isWellFormed());
});

test('an address is one that a browser may follow', () => {
  for (const url of ['javascript:alert(1)', 'data:text/html,x', '//x', 7])
    assert.equal(derived('github-release', { release: { html_url: url } }).url, undefined, String(url));
  assert.equal(derived('launchpad-bug', { bug: '/bugs/1 2"<x>' }).url, 'https://launchpad.net/bugs/1%202%22%3Cx%3E');
});

test('whatever came instead, deriving makes one line and does not throw', () => {
  const mutated = fc
    .constantFrom(...SCHEMAS)
    .chain((schema) =>
      fc.tuple(
        fc.constant(schema),
        fc.constantFrom(...Object.keys(schema.examples[0] as object)),
        fc.anything(),
        fc.string({ unit: 'binary', maxLength: 500 }),
      ),
    );
  fc.assert(
    fc.property(mutated, fc.anything(), ([{ derive, examples }, key, value, topic], other) => {
      for (const data of [other, { ...(examples[0] as object), [key]: value }]) {
        const { summary, people } = derive(data, topic);
        assert.ok(summary.length <= 200 && !/[\n\r\0]/.test(summary));
        assert.equal(new Set(people).size, people.length);
      }
    }),
  );
});
