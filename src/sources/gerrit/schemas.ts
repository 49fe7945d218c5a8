import type { EventSchema } from '../schema.ts';
import { eventSchema, type Field } from './schema-parts.ts';
import { derive } from './summary.ts';

type Json = Record<string, unknown>;

const ada = { name: 'Ada Okafor', email: 'ada@example.org', username: 'ada' };
const ben = { name: 'Ben Lindqvist', email: 'ben@example.org', username: 'ben' };
const change = {
  project: 'openstack/nova',
  branch: 'master',
  topic: 'faster-boot',
  id: 'I8f2c1c5d3f0e4b6a9d7e1c2b3a4f5e6d7c8b9a0f',
  number: 904512,
  subject: 'Boot instances without a second lookup',
  owner: ada,
  url: 'https://review.example.org/c/openstack/nova/+/904512',
  commitMessage: 'Boot instances without a second lookup\n\nChange-Id: I8f2c1c5d3f0e4b6a9d7e1c2b3a4f5e6d7c8b9a0f\n',
  createdOn: 1795300000,
  status: 'NEW',
};
const patchSet = {
  number: 2,
  revision: '1f0e4c27b5d9a3860f2b7c4d5e6f708192a3b4c5',
  parents: ['7d6c5b4a392817069f8e7d6c5b4a39281706f5e4'],
  ref: 'refs/changes/12/904512/2',
  uploader: ada,
  author: ada,
  createdOn: 1795300600,
  kind: 'REWORK',
  sizeInsertions: 14,
  sizeDeletions: -9,
};
const refUpdate = {
  oldRev: '7d6c5b4a392817069f8e7d6c5b4a39281706f5e4',
  newRev: '1f0e4c27b5d9a3860f2b7c4d5e6f708192a3b4c5',
  refName: 'refs/heads/master',
  project: 'openstack/nova',
};
const vote = { type: 'Code-Review', description: 'Code-Review', value: '2', oldValue: '0' };
const ofChange = { change, project: 'openstack/nova', refName: 'refs/heads/master', changeKey: { id: change.id } };
const ofPatchSet = { ...ofChange, patchSet };
const replication = { project: 'openstack/nova', ref: 'refs/heads/master', targetNode: 'mirror.example.org' };
const targetUri = 'ssh://git@mirror.example.org/openstack/nova.git';

/** All that Gerrit documents, what older servers send, and what the replication plugin adds. */
export const SCHEMAS: readonly EventSchema[] = [
  onChange('change-abandoned', 'A change was abandoned', ['abandoner', 'reason', 'patchSet'], { abandoner: ada, reason: 'superseded' }),
  onChange('change-deleted', 'A change was deleted', ['deleter'], { deleter: ada }),
  onChange('change-merged', 'A change was merged', ['submitter', 'newRev', 'patchSet'], { submitter: ben, newRev: refUpdate.newRev }),
  onChange('change-restored', 'An abandoned change was restored', ['restorer', 'reason', 'patchSet'], {
    restorer: ada,
    reason: 'still wanted',
  }),
  onChange('comment-added', 'Somebody commented on a change or voted', ['author', 'approvals', 'comment', 'patchSet'], {
    author: ben,
    approvals: [vote],
    comment: 'Patch Set 2: Code-Review+2\n\nReads well.',
  }),
  onChange('patchset-created', 'A change came, or a new version of it', ['uploader', 'patchSet'], { uploader: ada }),
  onChange('vote-deleted', 'A vote was taken back', ['reviewer', 'remover', 'approvals', 'comment', 'patchSet'], {
    reviewer: ben,
    remover: ada,
    approvals: [{ ...vote, value: '0', oldValue: '2' }],
  }),
  onChange('reviewer-added', 'Somebody was asked to review', ['reviewer', 'adder', 'patchSet'], { reviewer: ben, adder: ada }),
  onChange('reviewer-deleted', 'A reviewer was removed', ['reviewer', 'remover', 'approvals', 'comment', 'patchSet'], {
    reviewer: ben,
    remover: ada,
  }),
  onChange('topic-changed', 'The topic of a change is another', ['changer', 'oldTopic'], { changer: ada, oldTopic: 'boot' }),
  onChange('hashtags-changed', 'The hashtags of a change are others', ['editor', 'added', 'removed', 'hashtags'], {
    editor: ben,
    added: ['speed'],
    hashtags: ['speed'],
  }),
  onChange('custom-keyed-values-changed', 'Values that tools keep with a change are others', ['editor', 'customKeyedValues', 'removed'], {
    editor: ben,
    customKeyedValues: { ci: 'nightly' },
  }),
  onChange('assignee-changed', 'Somebody else is assigned to a change (Gerrit 2.14 to 3.6)', ['changer', 'oldAssignee'], {
    changer: ada,
  }),
  onChange('wip-state-changed', 'A change is ready for review, or no longer', ['changer', 'patchSet'], { changer: ada }),
  onChange('private-state-changed', 'A change is private, or no longer', ['changer', 'patchSet'], { changer: ada }),
  onChange('draft-published', 'A draft is open for review (before Gerrit 2.15)', ['uploader', 'patchSet'], { uploader: ada }),
  onChange('merge-failed', 'A change could not be merged (before Gerrit 2.12)', ['submitter', 'reason', 'patchSet'], {
    submitter: ben,
    reason: 'Path conflict',
  }),
  type('ref-updated', 'A branch, a tag or another ref moved', ['submitter', 'refUpdate'], { submitter: ben, refUpdate }),
  type('batch-ref-updated', 'Refs moved together', ['submitter', 'refUpdates'], {
    submitter: ben,
    refUpdates: [refUpdate, { ...refUpdate, refName: 'refs/changes/12/904512/meta' }],
  }),
  bare('project-created', 'A project was made', ['projectName', 'headName'], {
    projectName: 'openstack/nova',
    headName: 'refs/heads/master',
  }),
  bare('project-head-updated', 'Another branch is the head of a project', ['projectName', 'oldHead', 'newHead'], {
    projectName: 'openstack/nova',
    oldHead: 'refs/heads/master',
    newHead: 'refs/heads/main',
  }),
  bare('dropped-output', 'The server dropped events of this stream: they are missing here', [], {}),
  type('ref-replicated', 'A ref was copied to one node (replication plugin)', ['ref', 'targetNode', 'targetUri', 'status', 'refStatus'], {
    ...replication,
    targetUri,
    status: 'succeeded',
    refStatus: 'OK',
  }),
  type('ref-replication-scheduled', 'A ref is due to be copied to a node (replication plugin)', ['ref', 'targetNode', 'targetUri'], {
    ...replication,
    targetUri,
  }),
  type('ref-replication-done', 'A ref was copied to all nodes (replication plugin)', ['ref', 'nodesCount'], {
    project: 'openstack/nova',
    ref: 'refs/heads/master',
    nodesCount: 2,
  }),
];

/** By what an event says that it is. */
const NAMES: ReadonlyMap<string | undefined, string> = new Map(SCHEMAS.map(({ name }) => [name.slice('gerrit.'.length), name]));

/** @returns undefined for a type that has none */
export function schemaOf(type: string | undefined): string | undefined {
  return NAMES.get(type);
}

/** Of a change. */
function onChange(name: string, title: string, fields: readonly Field[], example: Json): EventSchema {
  return type(name, title, ['change', ...fields], { ...(fields.includes('patchSet') ? ofPatchSet : ofChange), ...example });
}

/** Of a project. */
function type(name: string, title: string, fields: readonly Field[], example: Json): EventSchema {
  return { ...bare(name, title, fields, example), topic: `{base}/{project...}/${name}` };
}

/** Of the server: what it names, it names otherwise. */
function bare(name: string, title: string, fields: readonly Field[], example: Json): EventSchema {
  return {
    name: `gerrit.${name}`,
    topic: `{base}/${name}`,
    title,
    schema: eventSchema(name, fields),
    examples: [{ ...example, type: name, eventCreatedOn: 1795301234 }],
    derive,
  };
}
