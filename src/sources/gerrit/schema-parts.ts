import type { JsonSchema } from '../schema.ts';

const text: JsonSchema = { type: 'string' };
/** Older servers write numbers as text. */
const number: JsonSchema = { type: ['integer', 'string'] };
const time: JsonSchema = { type: 'integer', description: 'Seconds since 1970.' };
const flag: JsonSchema = { type: 'boolean' };

/** Any field may be missing, and servers add some: nothing is required and nothing is closed. */
function object(properties: Record<string, JsonSchema>, description?: string): JsonSchema {
  return { type: 'object', ...(description && { description }), properties };
}

function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

const account = object({ name: text, email: text, username: text });

/** A project by its name; the events log wraps it. */
const project: JsonSchema = { anyOf: [text, object({ name: text })] };

const approval = object({ type: text, description: text, value: number, oldValue: number, grantedOn: time, by: account }, 'A vote.');

const change = object(
  {
    project,
    branch: text,
    topic: text,
    id: { ...text, description: 'The Change-Id.' },
    number,
    subject: text,
    owner: account,
    assignee: account,
    url: text,
    commitMessage: text,
    hashtags: list(text),
    createdOn: time,
    lastUpdated: time,
    status: { ...text, description: 'NEW, MERGED, ABANDONED, or DRAFT of older servers.' },
    private: flag,
    wip: flag,
    open: flag,
  },
  'The change under review.',
);

const patchSet = object(
  {
    number,
    revision: text,
    parents: list(text),
    ref: text,
    uploader: account,
    author: account,
    createdOn: time,
    kind: { ...text, description: 'REWORK, TRIVIAL_REBASE, NO_CODE_CHANGE and the like.' },
    isDraft: flag,
    approvals: list(approval),
    sizeInsertions: { type: 'integer' },
    sizeDeletions: { type: 'integer' },
  },
  'One version of the change.',
);

const refUpdate = object({ oldRev: text, newRev: text, refName: text, project }, 'A branch, tag or other ref that moved.');

/** What the fields of events are, by their names. */
const FIELDS = {
  change,
  patchSet,
  refUpdate,
  refUpdates: list(refUpdate),
  abandoner: account,
  restorer: account,
  deleter: account,
  submitter: account,
  uploader: account,
  author: account,
  changer: account,
  editor: account,
  reviewer: account,
  adder: account,
  remover: account,
  oldAssignee: account,
  approvals: list(approval),
  comment: text,
  reason: text,
  newRev: text,
  oldTopic: text,
  added: list(text),
  removed: list(text),
  hashtags: list(text),
  customKeyedValues: { type: 'object' },
  project,
  projectName: text,
  headName: text,
  oldHead: text,
  newHead: text,
  ref: text,
  targetNode: text,
  targetUri: text,
  status: text,
  refStatus: text,
  nodesCount: { type: 'integer' },
} as const satisfies Record<string, JsonSchema>;

export type Field = keyof typeof FIELDS;

/** The schema of a type with these fields. */
export function eventSchema(type: string, fields: readonly Field[]): JsonSchema {
  const common = { eventCreatedOn: time, refName: text, changeKey: { type: ['object', 'string'] }, instanceId: text };
  return {
    type: 'object',
    required: ['type'],
    properties: { type: { const: type }, ...common, project, ...Object.fromEntries(fields.map((field) => [field, FIELDS[field]])) },
  };
}
