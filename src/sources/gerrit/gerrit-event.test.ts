import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { topicFault } from '../../wire/topic.ts';
import { type GerritEvent, idOf, isRefUpdatedMeta, readEvent, topicOf } from './gerrit-event.ts';

const SAMPLES = new URL('../../../test/fixtures/gerrit/', import.meta.url);

function read(value: unknown): GerritEvent {
  return readEvent(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))!;
}

function topic(value: unknown): string {
  return topicOf(read(value), 'gerrit');
}

test('every sample goes to the topic of its project and type', () => {
  const topics = readdirSync(SAMPLES)
    .filter((name) => name.endsWith('-event.txt'))
    .map((name) => topic(readFileSync(new URL(name, SAMPLES), 'utf8')));
  const ofProject = ['change-abandoned', 'change-merged', 'change-restored', 'comment-added', 'draft-published', 'merge-failed'];
  ofProject.push('patchset-created', 'ref-updated', 'reviewer-added', 'topic-changed');
  assert.deepEqual(
    topics.toSorted(),
    [...ofProject.map((type) => `gerrit/project-name/${type}`), 'gerrit/this-event-is-not-handled', 'gerrit/user-defined-event'].toSorted(),
  );
});

test('the project is a name or an object with one, of the event, its change or its ref; slashes stay levels', () => {
  const type = 'x';
  assert.equal(topic({ type, project: 'openstack/nova' }), 'gerrit/openstack/nova/x');
  assert.equal(topic({ type, project: { name: 'openstack/nova' }, change: { project: 'other' } }), 'gerrit/openstack/nova/x');
  assert.equal(topic({ type, project: '', change: { project: { name: 'of/change' } }, refUpdate: { project: 'r' } }), 'gerrit/of/change/x');
  assert.equal(topic({ type, refUpdate: { project: 'of/ref' } }), 'gerrit/of/ref/x');
  assert.equal(topic({ type, refUpdates: [{ project: 'of/batch' }] }), 'gerrit/of/batch/x');
  assert.equal(topic({ type: 'project-created', projectName: 'new' }), 'gerrit/project-created');
  assert.equal(topic({ type, project: 7, change: 'x', refUpdate: [], refUpdates: {} }), 'gerrit/x');
});

test('an event without a type keeps its project, on a level that no type can have', () => {
  assert.equal(topic({ project: 'a/b' }), 'gerrit/a/b/$untyped');
  assert.equal(topic({ type: 5 }), 'gerrit/$untyped');
  assert.equal(topic({ type: '$untyped' }), 'gerrit/%24untyped');
});

test('whatever projects and types are called, the event has a topic', () => {
  for (const project of ['../../etc', '#', '+', '\0', '/', '//', '$SYS', '..', '\ud800']) {
    assert.equal(topicFault(topic({ type: 't', project })), undefined);
  }
  assert.equal(topic({ type: 't', project: '../a//#/+' }), 'gerrit/%2E%2E/a/%23/%2B/t');
  assert.equal(topic({ type: 't', project: 'long/'.repeat(20_000) }), 'gerrit/t');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (project, type) => {
      assert.equal(topicFault(topic({ type, project })), undefined);
    }),
  );
});

test('the id is the same in whatever order the keys are, and however a project or a change is wrapped', () => {
  const event = {
    type: 't',
    project: 'p',
    changeKey: { id: 'I1' },
    change: { number: 1, a: [{ x: 1, y: 2 }] },
    eventCreatedOn: 1_795_300_000,
  };
  const other = {
    eventCreatedOn: 1_795_300_000,
    change: { a: [{ y: 2, x: 1 }], number: 1 },
    changeKey: { key: 'I1' },
    project: { name: 'p' },
    type: 't',
  };
  const id = idOf(read(event));
  assert.equal(idOf(read(other)), id);
  assert.equal(idOf(read(`)]}'${JSON.stringify(event)}`)), id);
  const different = [
    { ...event, type: 'u' },
    { ...event, change: { number: 2 } },
    { ...event, eventCreatedOn: 1_795_300_001 },
  ];
  different.push({ ...event, change: { number: 1, a: [{ x: 2, y: 1 }] } });
  assert.equal(new Set([id, ...different.map((value) => idOf(read(value)))]).size, 5);
});

test('an event without a time that can be one has no id of its own', () => {
  for (const eventCreatedOn of [undefined, 0, -1, '1795300000', 1e300, null])
    assert.equal(idOf(read({ type: 't', eventCreatedOn })), undefined);
});

test('JSON that is nested without end has an id all the same', () => {
  const depth = 200_000;
  const event = read(`{"type":"t","eventCreatedOn":1795300000,"deep":${'['.repeat(depth)}${']'.repeat(depth)}}`);
  assert.match(idOf(event)!, /^[0-9A-HJKMNP-TV-Z]{26}$/);
});

test('only a JSON object is an event', () => {
  for (const line of ['', 'x', '[]', 'null', '7', '"a"', '{"a":', '{"a":1}}', ")]}'", '{"a":"\0"}'])
    assert.equal(readEvent(Buffer.from(line)), undefined);
});

test('pushes to the notes of changes are told from other pushes', () => {
  const update = (refName: string) => ({ refName, project: 'p' });
  const meta = update('refs/changes/12/904512/meta');
  assert.ok(isRefUpdatedMeta(read({ type: 'ref-updated', refUpdate: meta })));
  assert.ok(isRefUpdatedMeta(read({ type: 'batch-ref-updated', refUpdates: [meta, meta] })));
  assert.ok(!isRefUpdatedMeta(read({ type: 'ref-updated', refUpdate: update('refs/changes/12/904512/2') })));
  assert.ok(!isRefUpdatedMeta(read({ type: 'batch-ref-updated', refUpdates: [meta, update('refs/heads/master')] })));
  assert.ok(!isRefUpdatedMeta(read({ type: 'batch-ref-updated', refUpdates: [] })));
  assert.ok(!isRefUpdatedMeta(read({ type: 'x', refUpdate: meta })));
});
