import type { Derived, EventSchema } from '../schema.ts';
import { branchOf, event, FLAG, list, NUMBER, object, type Read, subject, TEXT, TEXT_OR_NULL } from './schema-parts.ts';

const user = object({ login: TEXT, id: NUMBER, type: TEXT, html_url: TEXT });
const repository = object({ id: NUMBER, name: TEXT, full_name: TEXT, private: FLAG, html_url: TEXT, default_branch: TEXT });
const common = { action: TEXT, repository, sender: user, organization: object({ login: TEXT }) };
const topic = (name: string): string => `{project...}/${name}`;

const lena = { login: 'lena-k', id: 4410233, type: 'User', html_url: 'https://github.example/lena-k' };
const omar = { login: 'omarh', id: 991245, type: 'User', html_url: 'https://github.example/omarh' };
const dam = {
  id: 771204,
  name: 'sluice',
  full_name: 'waterworks/sluice',
  private: false,
  html_url: 'https://github.example/waterworks/sluice',
  default_branch: 'main',
};
const sha = '5e2b91c04d7f8a6b3c2d1e0f9a8b7c6d5e4f3a2b';
const issue = {
  number: 42,
  title: 'Gate 3 reports closed while it opens',
  state: 'open',
  html_url: `${dam.html_url}/issues/42`,
  user: omar,
};
const pull = {
  number: 57,
  title: 'Read the gate sensor twice',
  state: 'open',
  draft: false,
  merged: false,
  html_url: `${dam.html_url}/pull/57`,
  user: lena,
  head: { ref: 'sensor', sha },
  base: { ref: 'main', sha: '0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d' },
};

const issueFields = object({ number: NUMBER, title: TEXT, state: TEXT, html_url: TEXT, body: TEXT_OR_NULL, user }, ['number', 'title']);
const end = object({ ref: TEXT, sha: TEXT });
const pullFields = object(
  {
    number: NUMBER,
    title: TEXT,
    state: TEXT,
    draft: FLAG,
    merged: { type: ['boolean', 'null'] },
    html_url: TEXT,
    body: TEXT_OR_NULL,
    user,
    head: end,
    base: end,
  },
  ['number', 'title'],
);

/** What GitHub sends, the parts that readers rely on. */
export const GITHUB: readonly EventSchema[] = [
  event('github-push', {
    topic: topic('push'),
    title: 'GitHub: commits were pushed, or a branch or tag was made or deleted',
    properties: {
      ref: TEXT,
      before: TEXT,
      after: TEXT,
      created: FLAG,
      deleted: FLAG,
      forced: FLAG,
      compare: TEXT,
      pusher: object({ name: TEXT, email: TEXT_OR_NULL }),
      commits: list(object({ id: TEXT, message: TEXT, url: TEXT, timestamp: TEXT, author: object({ name: TEXT, email: TEXT_OR_NULL }) })),
      ...common,
    },
    required: ['ref', 'repository'],
    example: {
      ref: 'refs/heads/main',
      before: '0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d',
      after: sha,
      created: false,
      deleted: false,
      forced: false,
      compare: `${dam.html_url}/compare/0c9d8e7f6a5b...5e2b91c04d7f`,
      pusher: { name: 'lena-k', email: 'lena@waterworks.example' },
      commits: [
        {
          id: sha,
          message: 'Read the gate sensor twice',
          url: `${dam.html_url}/commit/${sha}`,
          timestamp: '2026-11-20T08:14:09+01:00',
          author: { name: 'Lena K.', email: 'lena@waterworks.example' },
        },
      ],
      repository: dam,
      sender: lena,
    },
    summary: (read) => `${who(read)} pushed to ${branchOf(read('ref'))} of ${where(read)}${tail(read('head_commit.message'))}`,
    url: ['compare', 'repository.html_url'],
    people: ['sender.login', 'pusher.name'],
  }),
  acted('pull_request', 'a pull request', { number: NUMBER, pull_request: pullFields }, 'pull_request', {
    action: 'opened',
    number: 57,
    pull_request: pull,
  }),
  acted(
    'pull_request_review',
    'a review of a pull request',
    { review: object({ id: NUMBER, state: TEXT, body: TEXT_OR_NULL, html_url: TEXT, user }), pull_request: pullFields },
    'pull_request',
    {
      action: 'submitted',
      review: { id: 88120, state: 'approved', body: 'Reads well.', html_url: `${pull.html_url}#review-88120`, user: omar },
      pull_request: pull,
    },
  ),
  acted('issues', 'an issue', { issue: issueFields }, 'issue', { action: 'opened', issue }),
  acted(
    'issue_comment',
    'a comment on an issue or a pull request',
    { issue: issueFields, comment: object({ id: NUMBER, body: TEXT, html_url: TEXT, user }) },
    'issue',
    { action: 'created', issue, comment: { id: 50177, body: 'Seen at gate 5 too.', html_url: `${issue.html_url}#c50177`, user: lena } },
  ),
  event('github-check_run', {
    topic: topic('check_run'),
    title: 'GitHub: a check of a commit began, or has ended',
    properties: {
      check_run: object({ id: NUMBER, name: TEXT, status: TEXT, conclusion: TEXT_OR_NULL, head_sha: TEXT, html_url: TEXT_OR_NULL }, [
        'name',
      ]),
      ...common,
    },
    required: ['action', 'check_run'],
    example: {
      action: 'completed',
      check_run: {
        id: 620991,
        name: 'lint',
        status: 'completed',
        conclusion: 'success',
        head_sha: sha,
        html_url: `${dam.html_url}/runs/620991`,
      },
      repository: dam,
      sender: lena,
    },
    summary: (read) =>
      `Check ${read('check_run.name') ?? ''} of ${where(read)}: ${read('check_run.conclusion') ?? read('check_run.status') ?? ''}`,
    url: ['check_run.html_url', 'repository.html_url'],
    people: ['sender.login'],
    severity: (read) => outcome(read('check_run.conclusion')),
  }),
  event('github-workflow_run', {
    topic: topic('workflow_run'),
    title: 'GitHub: a workflow was asked for, began, or has ended',
    properties: {
      workflow_run: object(
        {
          id: NUMBER,
          name: TEXT_OR_NULL,
          run_number: NUMBER,
          event: TEXT,
          status: TEXT_OR_NULL,
          conclusion: TEXT_OR_NULL,
          head_branch: TEXT_OR_NULL,
          head_sha: TEXT,
          html_url: TEXT,
        },
        ['id'],
      ),
      ...common,
    },
    required: ['action', 'workflow_run'],
    example: {
      action: 'completed',
      workflow_run: {
        id: 3310077,
        name: 'nightly',
        run_number: 318,
        event: 'schedule',
        status: 'completed',
        conclusion: 'failure',
        head_branch: 'main',
        head_sha: sha,
        html_url: `${dam.html_url}/actions/runs/3310077`,
      },
      repository: dam,
      sender: omar,
    },
    summary: (read) =>
      `Workflow ${read('workflow_run.name') ?? ''} of ${where(read)}: ${read('workflow_run.conclusion') ?? read('workflow_run.status') ?? ''}`,
    url: ['workflow_run.html_url', 'repository.html_url'],
    people: ['workflow_run.actor.login', 'sender.login'],
    severity: (read) => outcome(read('workflow_run.conclusion')),
  }),
  event('github-release', {
    topic: topic('release'),
    title: 'GitHub: something was done to a release',
    properties: {
      release: object({ id: NUMBER, tag_name: TEXT, name: TEXT_OR_NULL, draft: FLAG, prerelease: FLAG, html_url: TEXT, author: user }, [
        'tag_name',
      ]),
      ...common,
    },
    required: ['action', 'release'],
    example: {
      action: 'published',
      release: {
        id: 70041,
        tag_name: 'v2.4.0',
        name: '2.4',
        draft: false,
        prerelease: false,
        html_url: `${dam.html_url}/releases/v2.4.0`,
        author: lena,
      },
      repository: dam,
      sender: lena,
    },
    summary: (read) => `${who(read)} ${read('action') ?? 'changed'} release ${read('release.tag_name') ?? ''} of ${where(read)}`,
    url: ['release.html_url', 'repository.html_url'],
    people: ['sender.login', 'release.author.login'],
  }),
  event('github-ping', {
    topic: topic('ping'),
    title: 'GitHub: a hook was made, and works',
    properties: { zen: TEXT, hook_id: NUMBER, hook: object({ type: TEXT, events: list(TEXT), active: FLAG }), ...common },
    example: {
      zen: 'Water finds its way.',
      hook_id: 10442,
      hook: { type: 'Repository', events: ['push'], active: true },
      repository: dam,
      sender: lena,
    },
    summary: (read) => `The webhook of ${where(read)} works`,
    url: ['repository.html_url'],
    people: ['sender.login'],
  }),
  event('github-event', {
    topic: topic('{event}'),
    title: 'GitHub: any other event',
    properties: common,
    example: { action: 'created', repository: dam, sender: omar },
    summary: (read, at) =>
      `${who(read)}: ${at.split('/').at(-1)}${read('action') === undefined ? '' : ` ${read('action')}`} in ${where(read)}`,
    url: ['repository.html_url'],
    people: ['sender.login'],
  }),
];

/** Of what has a number, a title and a page. */
function acted(
  name: string,
  what: string,
  properties: Parameters<typeof object>[0],
  thing: 'issue' | 'pull_request',
  example: Record<string, unknown>,
): EventSchema {
  return event(`github-${name}`, {
    topic: topic(name),
    title: `GitHub: something was done to ${what}`,
    properties: { ...common, ...properties },
    required: ['action', thing],
    example: { ...example, repository: dam, sender: omar },
    summary: (read) =>
      `${who(read)} ${read('action') ?? 'changed'} ${what} of ${subject(where(read), '#', read(`${thing}.number`), read(`${thing}.title`))}`,
    url: ['comment.html_url', 'review.html_url', `${thing}.html_url`],
    people: ['sender.login', 'comment.user.login', 'review.user.login', `${thing}.user.login`],
  });
}

function who(read: Read): string {
  return read('sender.login') ?? 'Somebody';
}

function where(read: Read): string {
  return read('repository.full_name') ?? read('organization.login') ?? 'a repository';
}

function tail(text: string | undefined): string {
  return text === undefined ? '' : `: ${text.split('\n', 1)[0]}`;
}

function outcome(conclusion: string | undefined): Derived['severity'] {
  if (conclusion === 'failure' || conclusion === 'startup_failure') return 'error';
  return conclusion === 'timed_out' || conclusion === 'action_required' ? 'warning' : 'info';
}
