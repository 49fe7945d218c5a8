import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { SCHEMAS, schemaOf } from './schemas.ts';
import { derive } from './summary.ts';

const SAMPLES = new URL('../../../test/fixtures/gerrit/', import.meta.url);
const check = new Ajv2020({ strict: true, allowUnionTypes: true });
const DOCUMENTED =
  'change-abandoned change-deleted change-merged change-restored comment-added patchset-created vote-deleted reviewer-added reviewer-deleted topic-changed hashtags-changed wip-state-changed private-state-changed ref-updated batch-ref-updated project-created project-head-updated dropped-output draft-published merge-failed ref-replicated ref-replication-done ref-replication-scheduled';

test('every documented type has a schema, and its examples are valid', () => {
  for (const type of DOCUMENTED.split(' ')) assert.equal(schemaOf(type), `gerrit.${type}`);
  for (const { name, schema, examples } of SCHEMAS) {
    const validate = check.compile(schema);
    assert.ok(examples.length > 0);
    for (const example of examples) assert.ok(validate(example), `${name}: ${check.errorsText(validate.errors)}`);
    assert.ok(!validate({ type: 'another' }), `${name} takes any type`);
  }
});

test('every sample matches the schema of its type', () => {
  let checked = 0;
  for (const name of readdirSync(SAMPLES).filter((file) => file.endsWith('-event.txt'))) {
    const data = JSON.parse(readFileSync(new URL(name, SAMPLES), 'utf8'));
    const schema = SCHEMAS.find((known) => known.name === `gerrit.${data.type}`);
    if (!schema) continue;
    const validate = check.compile(schema.schema);
    assert.ok(validate(data), `${name}: ${check.errorsText(validate.errors)}`);
    checked++;
  }
  assert.equal(checked, 10);
});

test('says in one line who did what to which change, where to look, and who has to do with it', () => {
  const { examples } = SCHEMAS.find(({ name }) => name === 'gerrit.comment-added')!;
  assert.deepEqual(derive(examples[0]), {
    summary: 'Ben Lindqvist commented on openstack/nova change 904512: Boot instances without a second lookup',
    url: 'https://review.example.org/c/openstack/nova/+/904512',
    people: ['Ben Lindqvist', 'Ada Okafor'],
    severity: 'info',
  });
});

test('every type has a summary of its own', () => {
  const summaries = SCHEMAS.map(({ examples, derive }) => derive(examples[0], '').summary);
  assert.equal(new Set(summaries).size, SCHEMAS.length);
  for (const summary of summaries) assert.doesNotMatch(summary, /undefined|Somebody|^[a-z-]+ (on|of) /);
});

test('lost events are an error, what failed is a warning', () => {
  const severity = (data: unknown): string => derive(data).severity;
  assert.equal(severity({ type: 'dropped-output' }), 'error');
  assert.equal(severity({ type: 'ref-replicated', status: 'failed' }), 'warning');
  assert.equal(severity({ type: 'ref-replicated', status: 'succeeded' }), 'info');
  assert.equal(severity({ type: 'merge-failed' }), 'warning');
});

test('whatever an event lacks or has instead, it has a summary of one line', () => {
  const part = fc.anything({ maxDepth: 2 });
  const event = fc.record(
    {
      type: fc.oneof(fc.constantFrom('ref-updated', 'comment-added', 'reviewer-added'), part),
      change: part,
      author: part,
      refUpdate: part,
      refUpdates: part,
      project: part,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(event, part), (data) => {
      const { summary, people } = derive(data);
      assert.ok(summary.length > 0 && summary.length <= 200 && !/[\n\r\u2028]/.test(summary));
      assert.equal(new Set(people).size, people.length);
    }),
  );
  assert.match(
    derive({ type: 'comment-added', change: { subject: `a\nb${'x'.repeat(500)}` } }).summary,
    /^Somebody commented on change: a bx+…$/,
  );
});
