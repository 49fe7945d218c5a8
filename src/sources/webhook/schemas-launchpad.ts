import type { Derived, EventSchema } from '../schema.ts';
import { event, object, type Read, TEXT, TEXT_OR_NULL } from './schema-parts.ts';

const PAGES = 'https://launchpad.net';
const state = object({
  title: TEXT,
  description: TEXT,
  reporter: TEXT,
  status: TEXT,
  importance: TEXT,
  assignee: TEXT_OR_NULL,
  date_created: TEXT,
  tags: { type: 'array', items: TEXT },
});
const proposalState = object({
  registrant: TEXT,
  source_branch: TEXT_OR_NULL,
  target_branch: TEXT_OR_NULL,
  source_git_repository: TEXT_OR_NULL,
  source_git_path: TEXT_OR_NULL,
  target_git_repository: TEXT_OR_NULL,
  target_git_path: TEXT_OR_NULL,
  queue_status: TEXT,
  commit_message: TEXT_OR_NULL,
  description: TEXT_OR_NULL,
  preview_diff: TEXT_OR_NULL,
});

const ref = object({ commit_sha1: TEXT });
const bugFields = { action: TEXT, target: TEXT, bug: TEXT };

/** What Launchpad sends; objects are paths on it. */
export const LAUNCHPAD: readonly EventSchema[] = [
  paged('bug', {
    topic: '{project...}/bug:0.1/{number}',
    title: 'Launchpad: a bug was reported, or a field of it changed: an event for each of its tasks',
    properties: { ...bugFields, new: state, old: state },
    required: ['action', 'target', 'bug'],
    example: {
      action: 'status-changed',
      target: '/kiln',
      bug: '/bugs/2088143',
      new: {
        title: 'Cools before the timer ends',
        description: 'Since the last firing.',
        reporter: '/~noor',
        status: 'Triaged',
        importance: 'High',
        assignee: '/~iris',
        date_created: '2026-11-02T09:00:00+00:00',
        tags: ['timer'],
      },
      old: { title: 'Cools before the timer ends', status: 'New', importance: 'Undecided', assignee: null },
    },
    summary: (read) => `${project(read)} bug ${number(read)}: ${read('new.title') ?? ''} (${read('action') ?? ''})`,
    page: (read) => read('bug'),
    people: ['new.reporter', 'new.assignee'],
    severity: (read) => importance(read('new.importance')),
  }),
  paged('bug-comment', {
    topic: '{project...}/bug:comment:0.1/{number}',
    title: 'Launchpad: somebody commented on a bug: an event for each of its tasks',
    properties: { ...bugFields, bug_comment: TEXT, new: object({ commenter: TEXT, content: TEXT }) },
    required: ['action', 'target', 'bug'],
    example: {
      action: 'created',
      target: '/kiln',
      bug: '/bugs/2088143',
      bug_comment: '/kiln/+bug/2088143/comments/4',
      new: { commenter: '/~iris', content: 'The relay sticks.' },
    },
    summary: (read) =>
      `${read('new.commenter')?.replace('/~', '') ?? 'Somebody'} on ${project(read)} bug ${number(read)}: ${read('new.content') ?? ''}`,
    page: (read) => read('bug_comment') ?? read('bug'),
    people: ['new.commenter'],
  }),
  paged('git-push', {
    topic: '{project...}/git:push:0.1',
    title: 'Launchpad: a Git repository was pushed to',
    properties: {
      git_repository: TEXT,
      git_repository_path: TEXT,
      ref_changes: {
        type: 'object',
        additionalProperties: object({ old: { anyOf: [ref, { type: 'null' }] }, new: { anyOf: [ref, { type: 'null' }] } }),
      },
    },
    required: ['git_repository', 'ref_changes'],
    example: {
      git_repository: '/~potters/kiln/+git/kiln',
      git_repository_path: '~potters/kiln/+git/kiln',
      ref_changes: {
        'refs/heads/main': {
          old: { commit_sha1: '1b6e0f4c7a9d2e5b8c1f4a7d0e3b6c9f2a5d8e1b' },
          new: { commit_sha1: '7d4a1e8b5c2f9a6d3e0b7c4f1a8d5e2b9c6f3a0d' },
        },
      },
    },
    summary: (read) => `${read('git_repository_path') ?? 'A repository'} was pushed to`,
    page: (read) => read('git_repository'),
  }),
  paged('merge-proposal', {
    topic: '{project...}/merge-proposal:0.1/{number}',
    title: 'Launchpad: a merge proposal was made, changed or deleted',
    properties: { merge_proposal: TEXT, action: TEXT, new: proposalState, old: proposalState },
    required: ['merge_proposal', 'action'],
    example: {
      merge_proposal: '/~noor/kiln/+git/kiln/+merge/501220',
      action: 'created',
      new: {
        registrant: '/~noor',
        source_git_repository: '/~noor/kiln/+git/kiln',
        source_git_path: 'refs/heads/relay',
        target_git_repository: '/~potters/kiln/+git/kiln',
        target_git_path: 'refs/heads/main',
        queue_status: 'Needs review',
        commit_message: 'Debounce the relay',
      },
    },
    summary: (read) =>
      `Merge proposal ${read('merge_proposal')?.split('/').at(-1) ?? ''} ${read('action') ?? ''}: ${read('new.commit_message') ?? read('new.queue_status') ?? ''}`,
    page: (read) => read('merge_proposal'),
    people: ['new.registrant'],
  }),
  paged('ping', {
    topic: 'ping',
    title: 'Launchpad: a hook works',
    properties: { ping: { type: 'boolean' } },
    example: { ping: true },
    summary: () => 'A webhook of Launchpad works',
    page: () => undefined,
  }),
  paged('event', {
    topic: '{project...}/{event}',
    title: 'Launchpad: any other event, such as a build',
    properties: { action: TEXT, status: TEXT },
    example: {
      snap_build: '/~potters/+snap/kiln/+build/90211',
      action: 'status-changed',
      snap: '/~potters/+snap/kiln',
      status: 'Failed to build',
    },
    summary: (read, at) => `${at.split('/').at(-1)}: ${read('action') ?? ''} ${read('status') ?? ''}`,
    page: (read) => ['snap_build', 'build', 'recipe_build', 'livefs_build'].map(read).find((path) => path !== undefined),
    severity: (read) => (/^(Failed|Chroot|Dependency)/.test(read('status') ?? '') ? 'warning' : 'info'),
  }),
];

type Parts = Parameters<typeof event>[1];

/** Of what has its page under a path of Launchpad, and people by their paths. */
function paged(name: string, { page, ...parts }: Omit<Parts, 'url'> & { page(read: Read): string | undefined }): EventSchema {
  const schema = event(`launchpad-${name}`, parts);
  return {
    ...schema,
    derive(data, at) {
      const derived = schema.derive(data, at);
      const path = page((name) => textOf(data, name));
      const people = derived.people.map((one) => one.replace(/^\/~/, ''));
      return { ...derived, people, ...(path?.startsWith('/') && { url: PAGES + encodeURI(path.toWellFormed()) }) };
    },
  };
}

function textOf(data: unknown, name: string): string | undefined {
  const value =
    typeof data === 'object' && data !== null && Object.hasOwn(data, name) ? (data as Record<string, unknown>)[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}

function project(read: Read): string {
  return read('target')?.replace(/^\//, '') ?? 'a project';
}

function number(read: Read): string {
  return read('bug')?.split('/').at(-1) ?? '';
}

/** As Launchpad orders importances. */
function importance(text: string | undefined): Derived['severity'] {
  if (text === 'Critical') return 'error';
  return text === 'High' ? 'warning' : 'info';
}
