import { isObject } from '../../core/objects.ts';
import { oneLine } from '../one-line.ts';
import type { Derived } from '../schema.ts';
import { projectOf } from './gerrit-event.ts';

type Json = Record<string, unknown>;

/** Fields of an event that hold an account: who did it comes first. */
const ACTORS = ['author', 'submitter', 'uploader', 'abandoner', 'restorer', 'deleter', 'changer', 'editor', 'adder', 'remover'];
const OTHERS = ['reviewer', 'oldAssignee'];
/** What somebody did to a change, by the type of event. */
const DEEDS: Record<string, string> = {
  'change-abandoned': 'abandoned',
  'change-deleted': 'deleted',
  'change-merged': 'merged',
  'change-restored': 'restored',
  'comment-added': 'commented on',
  'patchset-created': 'uploaded a patch set of',
  'vote-deleted': 'removed a vote from',
  'topic-changed': 'changed the topic of',
  'hashtags-changed': 'changed the hashtags of',
  'custom-keyed-values-changed': 'changed the values of',
  'assignee-changed': 'changed the assignee of',
  'wip-state-changed': 'changed the work-in-progress state of',
  'private-state-changed': 'changed the private state of',
  'draft-published': 'published the draft of',
  'merge-failed': 'could not merge',
};

/** What people want to know of any event of Gerrit; whatever is missing is left out. */
export function derive(data: unknown): Derived {
  const event = isObject(data) ? data : {};
  const change = isObject(event.change) ? event.change : {};
  const names = [...ACTORS, ...OTHERS].map((field) => event[field]);
  const people = [...names, change.owner].map((account) => nameOf(account)).filter((name) => name !== undefined);
  return {
    summary: oneLine(summarize(event, change)),
    url: textOf(change.url),
    people: [...new Set(people)],
    severity: severityOf(event),
  };
}

function summarize(event: Json, change: Json): string {
  const type = textOf(event.type) ?? 'event';
  const project = projectOf(event) ?? textOf(event.projectName);
  const actor = ACTORS.map((field) => nameOf(event[field])).find((name) => name !== undefined);
  const where = isObject(event.change) ? changeText(change, project) : undefined;
  const reviewer = nameOf(event.reviewer) ?? 'a reviewer';
  if (where !== undefined) {
    if (type === 'reviewer-added') return actor ? `${actor} added ${reviewer} to ${where}` : `${reviewer} was added to ${where}`;
    if (type === 'reviewer-deleted') return actor ? `${actor} removed ${reviewer} from ${where}` : `${reviewer} was removed from ${where}`;
    const deed = DEEDS[type];
    return deed ? `${actor ?? 'Somebody'} ${deed} ${where}` : `${type} on ${where}`;
  }
  return withoutChange(event, { type, project, actor: actor ?? 'Gerrit' });
}

function withoutChange(
  event: Json,
  { type, project = 'a project', actor }: { type: string; project: string | undefined; actor: string },
): string {
  const update = isObject(event.refUpdate) ? event.refUpdate : {};
  const ref = textOf(update.refName) ?? textOf(event.ref) ?? 'a ref';
  const count = Array.isArray(event.refUpdates) ? event.refUpdates.length : 0;
  switch (type) {
    case 'ref-updated':
      return `${actor} updated ${ref} of ${project}`;
    case 'batch-ref-updated':
      return `${actor} updated ${count} refs of ${project}`;
    case 'project-created':
      return `The project ${project} was created`;
    case 'project-head-updated':
      return `The head of ${project} is ${textOf(event.newHead) ?? 'another branch'} now`;
    case 'ref-replicated':
      return `Replication of ${ref} of ${project} to ${textOf(event.targetNode) ?? 'a node'}: ${textOf(event.status) ?? 'done'}`;
    case 'ref-replication-scheduled':
      return `Replication of ${ref} of ${project} to ${textOf(event.targetNode) ?? 'a node'} is due`;
    case 'ref-replication-done':
      return `Replication of ${ref} of ${project} is done`;
    case 'dropped-output':
      return 'Gerrit dropped events of this stream';
    default:
      return `${type} of ${project}`;
  }
}

/** `nova change 1234: subject` */
function changeText(change: Json, project: string | undefined): string {
  const number = typeof change.number === 'number' ? String(change.number) : textOf(change.number);
  const subject = textOf(change.subject);
  return [project, 'change', number].filter(Boolean).join(' ') + (subject ? `: ${subject}` : '');
}

function severityOf({ type, status }: Json): Derived['severity'] {
  if (type === 'dropped-output') return 'error';
  return type === 'merge-failed' || (type === 'ref-replicated' && status === 'failed') ? 'warning' : 'info';
}

function nameOf(account: unknown): string | undefined {
  return isObject(account) ? (textOf(account.name) ?? textOf(account.username) ?? textOf(account.email)) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
