import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { launchpadMail } from '../../testing/launchpad-mail.ts';
import { MailHeaders } from './mail-headers.ts';
import { readNotification } from './notification.ts';
import { SCHEMAS } from './schemas.ts';

const [bug, notification] = SCHEMAS as [(typeof SCHEMAS)[number], (typeof SCHEMAS)[number]];
const ajv = new Ajv2020({ allErrors: true });

for (const { name, schema, examples } of SCHEMAS)
  test(`the examples of ${name} are valid, and something else is not`, () => {
    const validate = ajv.compile(schema);
    for (const example of examples) assert.ok(validate(example), JSON.stringify(validate.errors));
    assert.equal(validate(['no object']), false);
  });

test('what is published of a mail is valid', () => {
  for (const headers of [
    {},
    { 'X-Launchpad-Notification-Type': 'question', 'X-Launchpad-Question': ['a', 'b'] },
    { 'X-Launchpad-Message-For': ['a', 'b'] },
  ]) {
    const block = Buffer.from(launchpadMail({ headers }));
    for (const event of readNotification({ headers: new MailHeaders(block), block, body: 'text' }, 'launchpad')) {
      const validate = ajv.compile(SCHEMAS.find(({ name }) => name === event.schema)!.schema);
      assert.ok(validate(event.data), JSON.stringify(validate.errors));
      assert.ok(validate(JSON.parse(String(event.payload))), JSON.stringify(validate.errors));
    }
  }
});

test('a bug is told in one line, with its page, whom it is about, and how bad it is', () => {
  assert.deepEqual(bug.derive(bug.examples[0], 'launchpad/octavia/bug/1680938'), {
    summary: 'octavia bug 1680938 is now Triaged: Re: Amphora stays in ERROR after failover',
    url: 'https://bugs.launchpad.net/bugs/1680938',
    people: ['mkowalski', 'rtanaka'],
    severity: 'info',
  });
  assert.equal(bug.derive({ importance: 'High' }, '').severity, 'warning');
  assert.equal(bug.derive({ importance: 'Critical' }, '').severity, 'error');
});

test('another notification is told by its subject', () => {
  assert.deepEqual(notification.derive(notification.examples[0], 'launchpad'), {
    summary: '[recipe build #77120] of ~nightly-builds tools-daily in noble: Dependency wait',
    people: ['nightly-builds'],
    severity: 'warning',
  });
});

test('nothing that comes keeps an event from being told', () => {
  for (const { derive } of SCHEMAS)
    for (const data of [undefined, null, 7, [], {}, { subject: 7, Subject: [], commenters: 'x', 'bug-number': {}, assignee: null }]) {
      const { summary, people } = derive(data, '');
      assert.equal(typeof summary, 'string');
      assert.equal(people.includes(''), false);
    }
  const { summary } = bug.derive({ subject: `two\nlines ${'😀'.repeat(300)}` }, '');
  assert.ok(summary.length <= 200 && summary.isWellFormed());
  assert.doesNotMatch(summary, /\n/);
});
