import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../testing/deadline.ts';
import { type Dovecot, startDovecot } from '../../testing/dovecot.ts';
import { launchpadMail } from '../../testing/launchpad-mail.ts';
import { type SourceHarness, startSource } from '../../testing/source-harness.ts';
import { launchpad } from './launchpad.ts';
import type { LaunchpadOptions } from './options.ts';

type Harness = SourceHarness<LaunchpadOptions>;

const OTHER = 'From: ann@example.org\r\nSubject: [Bug 1] lunch?\r\n\r\nX-Generated-By: Launchpad\r\n';

function start({ port, user, password }: Dovecot, more: Partial<Record<keyof LaunchpadOptions, unknown>> = {}): Promise<Harness> {
  return startSource(launchpad, { host: '127.0.0.1', port, tls: 'off', user, password, ...more });
}

const numbers = ({ events }: Harness): string[] => events.map(({ payload }) => JSON.parse(Buffer.from(payload).toString())['bug-number']);
const refused = ({ source }: Harness): Record<string, number> => source.status().refused;
const isFlagged = (dovecot: Dovecot, count: number): Promise<void> =>
  until(
    async () => [...(await dovecot.flags()).values()].filter((flags) => flags.includes('S')).length === count,
    `${count} mails to be flagged`,
  );
const isRead = (harness: Harness): Promise<void> =>
  until(() => harness.source.status().up && harness.source.status().lastError === undefined, 'the mailbox to be read');

test('mail that is there and mail that comes is published and flagged, and other mail is left as it is', async () => {
  await using dovecot = await startDovecot();
  const first = await dovecot.deliver(launchpadMail({ number: 1 }));
  const other = await dovecot.deliver(OTHER);
  await using harness = await start(dovecot, { poll: '1h' });
  await harness.seen(1);
  await isFlagged(dovecot, 1);
  const second = await dovecot.deliver(launchpadMail({ number: 2 }));
  await harness.seen(2);
  await isFlagged(dovecot, 2);
  const flags = await dovecot.flags();
  assert.deepEqual(numbers(harness), ['1', '2']);
  assert.deepEqual(await dovecot.keywords(), ['$HydrantPublished']);
  assert.deepEqual([flags.get(first), flags.get(other), flags.get(second)], ['Sa', '', 'Sa']);
});

test('a server without IDLE is asked again and again', async () => {
  await using dovecot = await startDovecot({ config: ['imap_capability = IMAP4rev1 UIDPLUS'] });
  await using harness = await start(dovecot, { poll: '1s' });
  await isRead(harness);
  await dovecot.deliver(launchpadMail({ number: 1 }));
  await harness.seen(1);
  await isFlagged(dovecot, 1);
});

test('nothing is flagged before the bus has acknowledged, and everything then', async () => {
  await using dovecot = await startDovecot();
  for (let number = 1; number <= 60; number++) await dovecot.deliver(launchpadMail({ number }));
  await using harness = await start(dovecot);
  harness.bus.hold();
  await until(() => harness.source.status().published === 60, 'all to be in the outbox');
  await dovecot.deliver(launchpadMail({ number: 61 }));
  await until(() => harness.source.status().published === 61, 'one more to be in the outbox');
  assert.deepEqual([...(await dovecot.flags()).values()].join(''), '');
  harness.bus.release();
  await isFlagged(dovecot, 61);
  assert.deepEqual(
    numbers(harness),
    Array.from({ length: 61 }, (_, at) => String(at + 1)),
  );
});

test('a mail of several tasks is flagged after the last of its events', async () => {
  await using dovecot = await startDovecot();
  const tasks = ['nova', 'cinder', 'glance'].map((project) => `product=${project}; status=New`);
  await dovecot.deliver(launchpadMail({ headers: { 'X-Launchpad-Bug': tasks } }));
  await using harness = await start(dovecot);
  await isFlagged(dovecot, 1);
  assert.deepEqual(
    harness.bus.topics.sort(),
    ['cinder', 'glance', 'nova'].map((project) => `launchpad/${project}/bug/1680938`),
  );
});

test('with `expunge` a mail is gone once it is acknowledged, and what others have marked as deleted stays', async () => {
  await using dovecot = await startDovecot();
  const marked = await dovecot.deliver(OTHER, { flags: 'T' });
  await dovecot.deliver(launchpadMail({ number: 1 }));
  const private_ = await dovecot.deliver(launchpadMail({ number: 2, headers: { 'X-Launchpad-Bug-Private': 'yes' } }));
  await using harness = await start(dovecot, { after: 'expunge' });
  await harness.seen(1);
  await until(async () => (await dovecot.flags()).size === 2, 'the mail to be expunged');
  assert.deepEqual(
    await dovecot.flags(),
    new Map([
      [marked, 'T'],
      [private_, ''],
    ]),
  );
});

test('without UIDPLUS a mail is only marked as deleted', async () => {
  await using dovecot = await startDovecot({ config: ['imap_capability = IMAP4rev1 IDLE'] });
  const marked = await dovecot.deliver(OTHER, { flags: 'T' });
  await using harness = await start(dovecot, { after: 'expunge' });
  const mails: string[] = [];
  for (const number of [1, 2]) {
    const mail = await dovecot.deliver(launchpadMail({ number }));
    mails.push(mail);
    await until(async () => (await dovecot.flags()).get(mail) === 'STa', 'the mail to be marked');
  }
  await harness.stop();
  assert.deepEqual([...(await dovecot.flags()).keys()].sort(), [marked, ...mails].sort());
});

test('with `leave` nothing is changed, and nothing is published twice', async () => {
  await using dovecot = await startDovecot();
  await dovecot.deliver(launchpadMail({ number: 1 }));
  await using harness = await start(dovecot, { after: 'leave' });
  await harness.seen(1);
  await harness.stop();
  await harness.start();
  await dovecot.deliver(launchpadMail({ number: 2 }));
  await harness.seen(2);
  assert.deepEqual(numbers(harness), ['1', '2']);
  assert.deepEqual([...(await dovecot.flags()).values()], ['', '']);
});

test('private bugs are not published and stay as they are, unless told otherwise', async () => {
  await using dovecot = await startDovecot();
  await dovecot.deliver(launchpadMail({ number: 1, headers: { 'X-Launchpad-Bug-Private': 'yes' } }));
  await dovecot.deliver(launchpadMail({ number: 2, headers: { 'X-Launchpad-Bug-Information-Type': 'Public Security' } }));
  await dovecot.deliver(launchpadMail({ number: 3 }));
  {
    await using harness = await start(dovecot);
    await isFlagged(dovecot, 1);
    assert.deepEqual(numbers(harness), ['3']);
    assert.deepEqual(refused(harness), { 'private, and not published': 2 });
    assert.doesNotMatch(JSON.stringify(harness.logged), /Amphora/);
  }
  await using harness = await start(dovecot, { private: true });
  await harness.seen(2);
  await isFlagged(dovecot, 3);
  assert.deepEqual(numbers(harness), ['1', '2']);
});

test('what was read by somebody before the source looked for the first time is not published, what is read later is', async () => {
  await using dovecot = await startDovecot();
  await dovecot.deliver(launchpadMail({ number: 1 }), { flags: 'S', receivedMs: Date.now() - 60_000 });
  await dovecot.deliver(launchpadMail({ number: 2 }), { receivedMs: Date.now() - 60_000 });
  await using harness = await start(dovecot);
  await harness.seen(1);
  await harness.stop();
  await dovecot.deliver(launchpadMail({ number: 3 }), { flags: 'S', receivedMs: Date.now() - 60_000 });
  await harness.start();
  await harness.seen(2);
  assert.deepEqual(numbers(harness), ['2', '3']);
});

test('mails that were looked at are not looked at again after a restart', async () => {
  await using dovecot = await startDovecot();
  for (let number = 1; number <= 3; number++) await dovecot.deliver(OTHER);
  await dovecot.deliver(launchpadMail({ number: 1, headers: { 'X-Launchpad-Bug-Private': 'yes' } }));
  await using harness = await start(dovecot);
  await until(() => Object.keys(refused(harness)).length === 1, 'the private one to be read');
  await harness.stop();
  await harness.start();
  await dovecot.deliver(launchpadMail({ number: 2 }));
  await harness.seen(1);
  assert.deepEqual(refused(harness), {});
});

test('when the mailbox numbers its mails anew, what was not published is, and nothing twice', async () => {
  await using dovecot = await startDovecot();
  await dovecot.deliver(launchpadMail({ number: 1 }));
  await using harness = await start(dovecot);
  await dovecot.deliver(launchpadMail({ number: 2 }), { receivedMs: Date.now() + 60_000 });
  await isFlagged(dovecot, 2);
  await harness.stop();
  await dovecot.kill();
  await dovecot.forgetNumbers();
  await dovecot.deliver(launchpadMail({ number: 3 }), { receivedMs: Date.now() - 60_000 });
  await dovecot.restart();
  await harness.start();
  await isFlagged(dovecot, 3);
  assert.deepEqual(numbers(harness), ['1', '2', '3']);
});

test('where nothing can be remembered in the mailbox, mails that are numbered anew come again under the same ids', async () => {
  await using dovecot = await startDovecot();
  await dovecot.deliver(launchpadMail({ number: 1, headers: { 'Message-Id': undefined } }));
  await using harness = await start(dovecot, { after: 'leave' });
  await harness.seen(1);
  await harness.stop();
  await dovecot.kill();
  await dovecot.forgetNumbers();
  await dovecot.restart();
  await harness.start();
  await harness.seen(2);
  assert.deepEqual(numbers(harness), ['1', '1']);
  assert.equal(harness.events[0]!.id, harness.events[1]!.id);
});

test('mails wait for the bus over a restart, and are flagged when it has taken them', async () => {
  await using dovecot = await startDovecot();
  for (let number = 1; number <= 5; number++) await dovecot.deliver(launchpadMail({ number }));
  await using harness = await start(dovecot);
  harness.bus.hold();
  await until(() => harness.source.status().published === 5, 'all to be in the outbox');
  const stopped = harness.stop();
  await stopped;
  await harness.start();
  await isRead(harness);
  assert.equal([...(await dovecot.flags()).values()].join(''), '');
  harness.bus.release();
  await isFlagged(dovecot, 5);
  assert.equal(harness.source.status().published, 0);
  assert.deepEqual(new Set(numbers(harness)), new Set(['1', '2', '3', '4', '5']));
});

test('another mailbox has a place of its own', async () => {
  await using dovecot = await startDovecot();
  await dovecot.deliver(launchpadMail({ number: 1 }), { folder: 'bugs' });
  await dovecot.deliver(launchpadMail({ number: 2 }));
  await using harness = await start(dovecot, { mailbox: 'bugs', base: 'ubuntu/launchpad' });
  await harness.seen(1);
  assert.deepEqual(harness.bus.topics, ['ubuntu/launchpad/octavia/bug/1']);
});
