import type { Derived, EventSchema } from '../schema.ts';
import { branchOf, event, list, NUMBER, object, type Read, subject, TEXT, TEXT_OR_NULL } from './schema-parts.ts';

const user = object({ id: NUMBER, name: TEXT, username: TEXT });
const project = object({ id: NUMBER, name: TEXT, path_with_namespace: TEXT, web_url: TEXT, default_branch: TEXT_OR_NULL });
const topic = (name: string): string => `{project...}/${name}`;

const mill = {
  id: 318,
  name: 'grindstone',
  path_with_namespace: 'mills/east/grindstone',
  web_url: 'https://gitlab.example/mills/east/grindstone',
  default_branch: 'main',
};
const tomas = { id: 71, name: 'Tomás Rey', username: 'tomas' };
const sha = '9f1c3e5a7b8d0e2f4a6c8b0d1e3f5a7c9b2d4e6f';

/** What GitLab sends, the parts that readers rely on. */
export const GITLAB: readonly EventSchema[] = [
  pushed('push', 'commits were pushed', 'refs/heads/main'),
  pushed('tag_push', 'a tag was made or deleted', 'refs/tags/v1.8'),
  about('merge_request', 'a merge request', '!', {
    iid: 29,
    title: 'Dress the stone before it is worn',
    state: 'opened',
    action: 'open',
    source_branch: 'dressing',
    target_branch: 'main',
    url: `${mill.web_url}/-/merge_requests/29`,
  }),
  about('issue', 'an issue', '#', {
    iid: 14,
    title: 'The hopper runs dry on Mondays',
    state: 'opened',
    action: 'open',
    url: `${mill.web_url}/-/issues/14`,
  }),
  event('gitlab-note', {
    topic: topic('note'),
    title: 'GitLab: somebody commented',
    properties: {
      object_kind: TEXT,
      user,
      project,
      object_attributes: object({ id: NUMBER, note: TEXT, noteable_type: TEXT, url: TEXT }, ['note']),
    },
    required: ['object_attributes'],
    example: {
      object_kind: 'note',
      user: tomas,
      project: mill,
      object_attributes: {
        id: 5120,
        note: 'Does it need oil?',
        noteable_type: 'Issue',
        url: `${mill.web_url}/-/issues/14#note_5120`,
      },
    },
    summary: (read) => `${who(read)} commented in ${where(read)}: ${read('object_attributes.note') ?? ''}`,
    url: ['object_attributes.url', 'project.web_url'],
    people: ['user.username'],
  }),
  event('gitlab-pipeline', {
    topic: topic('pipeline'),
    title: 'GitLab: a pipeline is in another state',
    properties: {
      object_kind: TEXT,
      user,
      project,
      object_attributes: object({ id: NUMBER, iid: NUMBER, ref: TEXT_OR_NULL, sha: TEXT, status: TEXT, url: TEXT }, ['id', 'status']),
    },
    required: ['object_attributes'],
    example: {
      object_kind: 'pipeline',
      user: tomas,
      project: mill,
      object_attributes: { id: 90412, iid: 230, ref: 'main', sha, status: 'failed', url: `${mill.web_url}/-/pipelines/90412` },
    },
    summary: (read) =>
      `Pipeline ${read('object_attributes.id') ?? ''} of ${where(read)} on ${branchOf(read('object_attributes.ref'))}: ${read('object_attributes.status') ?? ''}`,
    url: ['object_attributes.url', 'project.web_url'],
    people: ['user.username'],
    severity: (read) => outcome(read('object_attributes.status')),
  }),
  event('gitlab-build', {
    topic: topic('build'),
    title: 'GitLab: a job is in another state',
    properties: {
      object_kind: TEXT,
      user,
      project,
      build_id: NUMBER,
      build_name: TEXT,
      build_stage: TEXT,
      build_status: TEXT,
      pipeline_id: NUMBER,
      ref: TEXT,
      sha: TEXT,
    },
    required: ['build_id', 'build_status'],
    example: {
      object_kind: 'build',
      user: tomas,
      project: mill,
      build_id: 771035,
      build_name: 'grind',
      build_stage: 'test',
      build_status: 'success',
      pipeline_id: 90412,
      ref: 'main',
      sha,
    },
    summary: (read) => `Job ${read('build_name') ?? ''} of ${where(read)} on ${branchOf(read('ref'))}: ${read('build_status') ?? ''}`,
    url: ['project.web_url', 'repository.homepage'],
    people: ['user.username'],
    severity: (read) => outcome(read('build_status')),
  }),
  event('gitlab-release', {
    topic: topic('release'),
    title: 'GitLab: a release was made, changed or deleted',
    properties: { object_kind: TEXT, action: TEXT, tag: TEXT, name: TEXT, url: TEXT, project },
    required: ['tag'],
    example: { object_kind: 'release', action: 'create', tag: 'v1.8', name: '1.8', url: `${mill.web_url}/-/releases/v1.8`, project: mill },
    summary: (read) => `Release ${read('tag') ?? ''} of ${where(read)}: ${read('action') ?? ''}`,
    url: ['url', 'project.web_url'],
  }),
  event('gitlab-event', {
    topic: topic('{event}'),
    title: 'GitLab: any other event',
    properties: { object_kind: TEXT, event_name: TEXT, user, project },
    example: { object_kind: 'deployment', status: 'running', user: tomas, project: mill },
    summary: (read, at) => `${who(read)}: ${read('object_kind') ?? read('event_name') ?? at.split('/').at(-1)} in ${where(read)}`,
    url: ['object_attributes.url', 'project.web_url'],
    people: ['user.username', 'user_username'],
  }),
];

function pushed(name: string, what: string, ref: string): EventSchema {
  return event(`gitlab-${name}`, {
    topic: topic(name),
    title: `GitLab: ${what}`,
    properties: {
      object_kind: TEXT,
      before: TEXT,
      after: TEXT,
      ref: TEXT,
      checkout_sha: TEXT_OR_NULL,
      user_name: TEXT,
      user_username: TEXT,
      project,
      total_commits_count: NUMBER,
      commits: list(object({ id: TEXT, message: TEXT, timestamp: TEXT, url: TEXT })),
    },
    required: ['ref', 'project'],
    example: {
      object_kind: name,
      before: '0000000000000000000000000000000000000000',
      after: sha,
      ref,
      checkout_sha: sha,
      user_name: tomas.name,
      user_username: tomas.username,
      project: mill,
      total_commits_count: 1,
      commits: [{ id: sha, message: 'Dress the stone\n', timestamp: '2026-11-19T17:40:00+00:00', url: `${mill.web_url}/-/commit/${sha}` }],
    },
    summary: (read) => `${read('user_name') ?? 'Somebody'} pushed to ${branchOf(read('ref'))} of ${where(read)}`,
    url: ['commits.0.url', 'project.web_url'],
    people: ['user_username'],
  });
}

/** Of what has a number, a title and a page. */
function about(name: string, what: string, mark: string, attributes: Record<string, unknown>): EventSchema {
  const fields = { iid: NUMBER, title: TEXT, state: TEXT, action: TEXT, source_branch: TEXT, target_branch: TEXT, url: TEXT };
  return event(`gitlab-${name}`, {
    topic: topic(name),
    title: `GitLab: something was done to ${what}`,
    properties: { object_kind: TEXT, user, project, object_attributes: object(fields, ['iid', 'title']) },
    required: ['object_attributes'],
    example: { object_kind: name, user: tomas, project: mill, object_attributes: attributes },
    summary: (read) =>
      `${who(read)}: ${read('object_attributes.action') ?? 'changed'} ${what} of ${subject(where(read), mark, read('object_attributes.iid'), read('object_attributes.title'))}`,
    url: ['object_attributes.url', 'project.web_url'],
    people: ['user.username', 'assignees.0.username'],
  });
}

function who(read: Read): string {
  return read('user.name') ?? read('user_name') ?? 'Somebody';
}

function where(read: Read): string {
  return read('project.path_with_namespace') ?? read('project_name') ?? 'a project';
}

function outcome(status: string | undefined): Derived['severity'] {
  if (status === 'failed') return 'error';
  return status === 'canceled' ? 'warning' : 'info';
}
