import { oneLine } from '../one-line.ts';
import type { Derived, EventSchema, JsonSchema } from '../schema.ts';

const TEXT = { type: 'string' } as const;
const TEXTS = { type: 'array', items: TEXT } as const;
/** A header that a mail may have more than once. */
const SAID = { oneOf: [TEXT, TEXTS] } as const;

const TRUNCATED: JsonSchema = { const: true, description: 'The text was left out: the mail was too long, or could not be read.' };

const bug: EventSchema = {
  name: 'launchpad.bug',
  topic: '{base}/{project...}/bug/{bug-number}',
  title: 'A bug was reported, commented on or changed: one event for each of its tasks',
  schema: {
    type: 'object',
    required: ['commenters', 'bug-reporter', 'bug-modifier', 'bug-number', 'event-type'],
    properties: {
      commenters: { ...TEXTS, description: 'Names of all who have commented.' },
      'bug-reporter': { ...TEXT, description: 'Full name and, in parentheses, name.' },
      'bug-modifier': { ...TEXT, description: 'Who did what this is about.' },
      'bug-number': { type: 'string', pattern: '^[0-9]+$' },
      'event-type': { const: 'bug' },
      status: {
        ...TEXT,
        examples: ['New', 'Incomplete', 'Confirmed', 'Triaged', 'In Progress', 'Fix Committed', 'Fix Released', 'Invalid'],
      },
      project: { ...TEXT, description: 'A project; or a distribution, and behind a slash its source package.' },
      assignee: { ...TEXT, description: 'A name, or None.' },
      tags: TEXTS,
      importance: { ...TEXT, examples: ['Undecided', 'Wishlist', 'Low', 'Medium', 'High', 'Critical'] },
      distribution: TEXT,
      distroseries: TEXT,
      productseries: TEXT,
      sourcepackage: TEXT,
      component: TEXT,
      subject: TEXT,
      'message-id': TEXT,
      'bug-information-type': SAID,
      'bug-private': SAID,
      'bug-security-vulnerability': SAID,
      'bug-duplicate': { ...SAID, description: 'The number of the bug that this one repeats.' },
      'message-rationale': { ...SAID, description: 'Why Launchpad sent the mail.' },
      'message-for': SAID,
      subscription: SAID,
      body: { ...TEXT, description: 'The text of the mail.' },
      truncated: TRUNCATED,
    },
  },
  examples: [
    {
      commenters: ['mkowalski', 'rtanaka'],
      'bug-reporter': 'Rin Tanaka (rtanaka)',
      'bug-modifier': 'Maja Kowalski (mkowalski)',
      'bug-number': '1680938',
      'event-type': 'bug',
      status: 'Triaged',
      project: 'octavia',
      assignee: 'mkowalski',
      tags: ['health-manager', 'low-hanging-fruit'],
      importance: 'Medium',
      'bug-information-type': 'Public',
      'bug-private': 'no',
      'bug-security-vulnerability': 'no',
      'message-rationale': 'Subscriber (octavia) @lb-watchers',
      'message-for': 'lb-watchers',
      subject: '[Bug 1680938] Re: Amphora stays in ERROR after failover',
      'message-id': '<149147261012.30125.malone@example.launchpad.net>',
      body: 'I can reproduce this with two members.\n\n** Changed in: octavia\n       Status: New => Triaged\n',
    },
    {
      distribution: 'ubuntu',
      distroseries: 'noble',
      sourcepackage: 'qemu',
      component: 'main',
      commenters: ['pvdberg'],
      'bug-reporter': 'Piet van den Berg (pvdberg)',
      'bug-modifier': 'Piet van den Berg (pvdberg)',
      'bug-number': '2051234',
      'event-type': 'bug',
      status: 'New',
      project: 'ubuntu/qemu',
      assignee: 'None',
      importance: 'Undecided',
      subject: '[Bug 2051234] [NEW] Guest clock drifts after resume',
      'message-id': '<170601000000.7.malonedeb@example.launchpad.net>',
      truncated: true,
    },
  ],
  derive: (data) => {
    const about = fields(data);
    const [number, project, status] = [text(about['bug-number']), text(about.project), text(about.status)];
    const subject = text(about.subject).replace(/^.*?\[Bug \d+\]\s*/i, '');
    const subjects = subject === '' ? '' : `: ${subject}`;
    return {
      summary: oneLine(`${project} bug ${number}${status === '' ? '' : ` is now ${status}`}${subjects}`),
      url: /^\d+$/.test(number) ? `https://bugs.launchpad.net/bugs/${number}` : undefined,
      people: people(about['bug-modifier'], about['bug-reporter'], about.assignee, ...list(about.commenters)),
      severity: severity(text(about.importance)),
    };
  },
};

const notification: EventSchema = {
  name: 'launchpad.notification',
  topic: '{base}',
  title: 'Any other mail of Launchpad: code reviews, questions, builds, uploads',
  schema: {
    type: 'object',
    properties: { Subject: TEXT, 'Message-Id': TEXT, body: TEXT, truncated: TRUNCATED },
    patternProperties: { '^[Xx]-[Ll][Aa][Uu][Nn][Cc][Hh][Pp][Aa][Dd]-': SAID },
  },
  examples: [
    {
      'X-Launchpad-Message-Rationale': 'Requester @nightly-builds',
      'X-Launchpad-Message-For': 'nightly-builds',
      'X-Launchpad-Notification-Type': 'recipe-build-status',
      'X-Launchpad-Archive': '~nightly-builds/ubuntu/tools-daily',
      'X-Launchpad-Build-State': 'MANUALDEPWAIT',
      Subject: '[recipe build #77120] of ~nightly-builds tools-daily in noble: Dependency wait',
      'Message-Id': '<173000000000.12.launchpad@example.launchpad.net>',
      body: 'Build of tools-daily waits for a dependency that is not there.\n',
    },
  ],
  derive: (data) => {
    const about = fields(data);
    const type = text(about['X-Launchpad-Notification-Type']);
    const subject = text(about.Subject);
    return {
      summary: oneLine(subject !== '' ? subject : `Launchpad: ${type === '' ? 'a notification' : type}`),
      people: people(about['X-Launchpad-Message-For']),
      severity: /FAIL|CHROOTWAIT|MANUALDEPWAIT/.test(text(about['X-Launchpad-Build-State'])) ? 'warning' : 'info',
    };
  },
};

export const SCHEMAS: readonly EventSchema[] = [bug, notification];

function fields(data: unknown): Record<string, unknown> {
  return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `Full Name (name)` is name; None is nobody. */
function people(...who: unknown[]): string[] {
  const names = who.map((one) => /\(([^()\s]+)\)\s*$/.exec(text(one))?.[1] ?? text(one));
  return [...new Set(names.filter((name) => name !== '' && name !== 'None'))];
}

/** As Launchpad orders importances. */
function severity(importance: string): Derived['severity'] {
  if (importance === 'Critical') return 'error';
  return importance === 'High' ? 'warning' : 'info';
}
