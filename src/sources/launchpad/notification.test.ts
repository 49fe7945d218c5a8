import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LaunchpadMail, launchpadMail } from '../../testing/launchpad-mail.ts';
import { topicFault } from '../../wire/topic.ts';
import type { SourceEvent } from '../source.ts';
import { MailHeaders } from './mail-headers.ts';
import { isFromLaunchpad, isPrivate, readNotification } from './notification.ts';

const headersOf = (mail: LaunchpadMail): MailHeaders => new MailHeaders(Buffer.from(launchpadMail(mail)));

function read(mail: LaunchpadMail = {}, body: string | undefined = 'text'): SourceEvent[] {
  const block = Buffer.from(launchpadMail(mail));
  return readNotification({ headers: new MailHeaders(block), block, body }, 'launchpad');
}

const topics = (mail: LaunchpadMail): string[] => read(mail).map(({ topic }) => topic);
const payload = (mail: LaunchpadMail): Record<string, unknown> => JSON.parse(String(read(mail)[0]!.payload));

test('a bug of a project becomes an event on base, project, bug and number, with all that the headers say', () => {
  const [event, ...more] = read({ headers: { 'X-Launchpad-Bug-Duplicate': '7', 'X-Launchpad-Subscription': 'all of it' } });
  assert.deepEqual(more, []);
  assert.equal(event!.topic, 'launchpad/octavia/bug/1680938');
  assert.equal(event!.schema, 'launchpad.bug');
  assert.equal(event!.time, '2017-04-06T10:04:21.000Z');
  assert.deepEqual(JSON.parse(String(event!.payload)), {
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
    'bug-duplicate': '7',
    'bug-information-type': 'Public',
    'bug-private': 'no',
    'bug-security-vulnerability': 'no',
    'message-rationale': 'Subscriber (octavia) @lb-watchers',
    'message-for': 'lb-watchers',
    subscription: 'all of it',
    subject: '[Bug 1680938] Re: Amphora stays in ERROR',
    'message-id': '<1680938.malone@launchpad.example>',
    body: 'text',
  });
});

const TASKS = [
  'product=qemu; status=Fix Released; importance=Undecided;\r\n assignee=None; ',
  'distribution=ubuntu; sourcepackage=qemu; component=main;\r\n status=Confirmed; importance=Wishlist; assignee=ana@example.org; ',
  'distribution=ubuntu; distroseries=bionic; sourcepackage=qemu; \r\n component=main; status=New; importance=Wishlist; assignee=None; ',
  'distribution=debian; status=New; importance=Low; assignee=None;',
];

test('each task of a bug becomes an event, a distribution and its package being the project', () => {
  const events = read({ headers: { 'X-Launchpad-Bug': TASKS } });
  assert.deepEqual(
    events.map(({ topic }) => topic),
    ['qemu', 'ubuntu/qemu', 'ubuntu/qemu', 'debian'].map((project) => `launchpad/${project}/bug/1680938`),
  );
  const [, package_, series] = events.map((event) => JSON.parse(String(event.payload)) as Record<string, unknown>);
  assert.equal(package_!.project, 'ubuntu/qemu');
  assert.equal(package_!.component, 'main');
  assert.equal(package_!.assignee, 'ana@example.org');
  assert.equal(series!.distroseries, 'bionic');
  assert.equal(new Set(events.map(({ id }) => id)).size, 4);
});

test('a task that a mail says twice is one event', () => {
  assert.equal(read({ headers: { 'X-Launchpad-Bug': [TASKS[0]!, TASKS[0]!] } }).length, 1);
});

test('the same mail gives the same ids wherever it is read, and another mail others', () => {
  const headers = { 'X-Launchpad-Bug': TASKS };
  const ids = (mail: LaunchpadMail): unknown[] => read(mail).map(({ id }) => id);
  assert.deepEqual(ids({ headers }), ids({ headers: { ...headers, Received: 'by way of another server' } }));
  const others = [
    ids({ headers: { ...headers, 'Message-Id': '<other@example.org>' } }),
    ids({ headers, number: 2 }),
    ids({ headers: { ...headers, Subject: '[Bug 3] the same Message-Id' } }),
  ].flat();
  assert.equal(new Set([...ids({ headers }), ...others]).size, 16);
});

test('mails without Message-ID are told apart by all of their headers', () => {
  const id = (to: string): unknown => read({ headers: { 'Message-Id': undefined, To: to } })[0]!.id;
  assert.equal(id('a@example.org'), id('a@example.org'));
  assert.notEqual(id('a@example.org'), id('b@example.org'));
});

test('the topic ends before the first part that is missing', () => {
  assert.deepEqual(topics({ headers: { 'X-Launchpad-Bug': 'status=New; importance=Low' } }), ['launchpad']);
  assert.deepEqual(topics({ headers: { 'X-Launchpad-Bug': undefined } }), ['launchpad']);
  const numberless = { Subject: 'no number', From: 'x@example.org', 'Reply-To': undefined };
  assert.deepEqual(topics({ headers: numberless }), ['launchpad/octavia/bug']);
  assert.equal('bug-number' in payload({ headers: numberless }), false);
});

test('the number is found behind the prefix of a mailing list, in an encoded subject, and else in the address of the bug', () => {
  assert.equal(payload({ headers: { Subject: '[Qemu-devel] [Bug 77] Re: x' } })['bug-number'], '77');
  const encoded = payload({ headers: { Subject: '=?utf-8?q?=5BBug_78=5D_Z=C3=BCrich?=\r\n =?utf-8?q?_h=C3=A4ngt?=' } });
  assert.equal(encoded['bug-number'], '78');
  assert.equal(encoded.subject, '[Bug 78] Zürich hängt');
  assert.equal(payload({ number: 79, headers: { Subject: 'changed by a list' } })['bug-number'], '79');
});

test('names that are encoded are decoded', () => {
  const reporter = { 'X-Launchpad-Bug-Reporter': '=?utf-8?b?SsO2cmcgTcO8bGxlcg==?= (joerg)' };
  assert.equal(payload({ headers: reporter })['bug-reporter'], 'Jörg Müller (joerg)');
});

test('what is empty or missing makes no field, and commenters are always a list', () => {
  const headers = { 'X-Launchpad-Bug-Tags': '', 'X-Launchpad-Bug-Commenters': undefined, 'X-Launchpad-Bug-Modifier': undefined };
  const data = payload({ headers });
  assert.deepEqual(data.commenters, []);
  assert.equal('tags' in data || 'bug-modifier' in data, false);
});

for (const project of ['../../etc', '#', '+', 'a/b', '..', '$SYS', 'x\0y', '%2F', 'é'.repeat(40_000), 'a/#/+', '__proto__'])
  test(`the project ${JSON.stringify(project.slice(0, 20))} stays one level of a topic that can be published to`, () => {
    const [topic] = topics({ headers: { 'X-Launchpad-Bug': `product=${project}; status=New` } });
    assert.equal(topicFault(topic!), undefined);
    assert.match(topic!, /^launchpad\/[^/]+\/bug\/1680938$/);
    assert.doesNotMatch(topic!, /\/\.\.?\//);
  });

test('no header or task can take the place of what is read elsewhere', () => {
  const task = 'product=nova; body=forged; event-type=forged; commenters=x; bug-number=1; project=forged; __proto__=x; =x; status';
  const headers = { 'X-Launchpad-Bug': task, 'X-Launchpad-Body': 'forged', 'X-Launchpad-Project': 'forged', 'X-Launchpad-Bug-Number': '1' };
  const data = payload({ headers });
  assert.deepEqual(
    [data.body, data['event-type'], data['bug-number'], data.project, data.commenters],
    ['text', 'bug', '1680938', 'nova', ['mkowalski', 'rtanaka']],
  );
  assert.equal(Object.hasOwn(data, '__proto__'), false);
});

test('other notifications go to the base, with the headers of Launchpad as they are written and the text', () => {
  const headers = {
    'X-Launchpad-Notification-Type': 'code-review',
    'X-Launchpad-Bug': undefined,
    'X-Launchpad-Branch': ['~ana/tools/one', '~ana/tools/two'],
    Subject: '[Merge] one into two',
  };
  const [event, ...more] = read({ headers });
  assert.deepEqual(more, []);
  assert.equal(event!.topic, 'launchpad');
  assert.equal(event!.schema, 'launchpad.notification');
  const data = JSON.parse(String(event!.payload)) as Record<string, unknown>;
  assert.deepEqual(data['X-Launchpad-Branch'], ['~ana/tools/one', '~ana/tools/two']);
  assert.equal(data['X-Launchpad-Notification-Type'], 'code-review');
  assert.equal(data.Subject, '[Merge] one into two');
  assert.equal(data.body, 'text');
});

test('a text that is left out is said to be', () => {
  const block = Buffer.from(launchpadMail());
  const [event] = readNotification({ headers: new MailHeaders(block), block, body: undefined }, 'launchpad');
  const data = JSON.parse(String(event!.payload)) as Record<string, unknown>;
  assert.deepEqual([data.truncated, 'body' in data], [true, false]);
});

test('a mail is Launchpad’s by its own header, and not by what its text says', () => {
  assert.equal(isFromLaunchpad(headersOf({})), true);
  assert.equal(isFromLaunchpad(headersOf({ headers: { 'X-Generated-By': ['Mailman', 'Launchpad (example.org)'] } })), true);
  assert.equal(isFromLaunchpad(headersOf({ headers: { 'X-Generated-By': 'Mailman' } })), false);
  const spoofed = { headers: { 'X-Generated-By': undefined }, body: 'X-Generated-By: Launchpad (canonical.com)\n' };
  assert.equal(isFromLaunchpad(headersOf(spoofed)), false);
});

for (const [name, value] of [
  ['X-Launchpad-Bug-Private', 'yes'],
  ['X-Launchpad-Bug-Private', ['no', 'yes']],
  ['X-LAUNCHPAD-BUG-PRIVATE', 'Yes'],
  ['X-Launchpad-Bug-Security-Vulnerability', 'yes'],
  ['X-Launchpad-Bug-Information-Type', 'Private Security'],
  ['X-Launchpad-Bug-Information-Type', 'Public Security'],
  ['X-Launchpad-Bug-Information-Type', 'Proprietary'],
  ['X-Launchpad-Bug-Information-Type', ['Public', 'Embargoed']],
  ['X-Launchpad-Private', 'True'],
] as const)
  test(`a mail that says ${name}: ${value} is private`, () => {
    assert.equal(isPrivate(headersOf({ headers: { [name]: [value].flat() } })), true);
  });

test('a mail that says that it is public, or nothing, is not private', () => {
  assert.equal(isPrivate(headersOf({})), false);
  assert.equal(isPrivate(headersOf({ headers: { 'X-Launchpad-Bug-Private': undefined, 'X-Launchpad-Bug-Information-Type': '' } })), false);
});

for (const date of [undefined, 'yesterday', 'Sat, 01 Jan 99999 00:00:00 +0000', 'Thu, 01 Jan 1900 00:00:00 +0000'])
  test(`a mail of the date ${date} has an id, and no time`, () => {
    const [event] = read({ headers: { Date: date } });
    assert.match(event!.id!, /^0000000000[0-9A-Z]{16}$|^7ZZZZZZZZZ[0-9A-Z]{16}$/);
    assert.equal('time' in event!, false);
  });
