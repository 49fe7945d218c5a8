import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../testing/deadline.ts';
import { type Dovecot, startDovecot } from '../../testing/dovecot.ts';
import { launchpadMail } from '../../testing/launchpad-mail.ts';
import { type SourceHarness, startSource } from '../../testing/source-harness.ts';
import { launchpad } from './launchpad.ts';
import type { LaunchpadOptions } from './options.ts';

/** One mailbox and one source for all: each test delivers a bomb and then a mail that must still be read. */
let dovecot: Dovecot;
let harness: SourceHarness<LaunchpadOptions>;
let number = 0;

before(async () => {
  dovecot = await startDovecot();
  const { port, user, password } = dovecot;
  harness = await startSource(launchpad, { host: '127.0.0.1', port, tls: 'off', user, password });
});
after(async () => {
  await harness[Symbol.asyncDispose]();
  await dovecot[Symbol.asyncDispose]();
});

type Payload = Record<string, unknown>;

/** Delivers a mail and one behind it. @returns what was published of the first, whether it was flagged, and what was refused */
async function explode(
  mail: string | Uint8Array,
): Promise<{ events: { topic: string; data: Payload }[]; isFlagged: boolean; refused: string[] }> {
  const known = harness.events.length;
  const counts = harness.source.status().refused;
  const name = await dovecot.deliver(mail);
  const next = launchpadMail({ number: ++number, headers: { 'X-Launchpad-Bug': 'product=next; status=New' } });
  const behind = await dovecot.deliver(next);
  await until(
    async () => (await dovecot.flags()).get(behind)?.includes('S') === true,
    'the mail behind it to be published and flagged',
    60_000,
  );
  const events = harness.events
    .slice(known)
    .map(({ topic, payload }) => ({ topic, data: JSON.parse(Buffer.from(payload).toString()) as Payload }));
  const refused = Object.entries(harness.source.status().refused).flatMap(([reason, count]) => (counts[reason] === count ? [] : [reason]));
  assert.equal(harness.source.status().errors, 0, harness.source.status().lastError);
  return {
    events: events.filter(({ topic }) => !topic.startsWith('launchpad/next/')),
    isFlagged: (await dovecot.flags()).get(name)!.includes('S'),
    refused,
  };
}

const multipart = (body: string): string => launchpadMail({ headers: { 'Content-Type': 'multipart/mixed; boundary="b0"' }, body });

test('a mail with parts in parts, ten thousand deep, is published without its text', async () => {
  let body = '';
  for (let depth = 0; depth < 10_000; depth++) body += `--b${depth}\nContent-Type: multipart/mixed; boundary=b${depth + 1}\n\n`;
  const { events, isFlagged, refused } = await explode(multipart(body));
  assert.deepEqual([events.length, events[0]!.data.truncated, 'body' in events[0]!.data, isFlagged], [1, true, false, true]);
  assert.deepEqual(refused, ['the text of a mail could not be read, and it was published without it']);
});

test('a mail with a million headers is not read: readers are told of a gap, and it stays in the mailbox', async () => {
  const [head] = launchpadMail().split('\r\n\r\n');
  const { events, isFlagged, refused } = await explode(`${head}\r\n${'X-A: b\r\n'.repeat(1_000_000)}\r\ntext`);
  assert.deepEqual(
    events.map(({ topic, data }) => [topic, data.reason]),
    [['launchpad/$gap', 'unreadable']],
  );
  assert.match(String(events[0]!.data.detail), /more headers than can be read: number \d+/);
  assert.deepEqual([isFlagged, refused], [false, ['a mail has more headers than can be read']]);
});

test('a million headers of somebody else’s mail are nothing to us', async () => {
  const { events, isFlagged, refused } = await explode(`${'X-A: b\r\n'.repeat(1_000_000)}\r\ntext`);
  assert.deepEqual([events, isFlagged, refused], [[], false, []]);
});

test('a header line of ten megabytes is not read either', async () => {
  const { events, isFlagged } = await explode(launchpadMail({ headers: { 'X-Launchpad-Bug-Tags': 'a'.repeat(10_000_000) } }));
  assert.deepEqual([events.map(({ topic }) => topic), isFlagged], [['launchpad/$gap'], false]);
});

test('of a mail with an attachment of 100 MB only the headers are fetched and published', async () => {
  const file = `--b0\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b0\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n`;
  const head = Buffer.from(`${multipart('')}${file}`);
  const { events, isFlagged, refused } = await explode(Buffer.concat([head, Buffer.alloc(100_000_000, 'QUJDREVG\r\n')]));
  assert.deepEqual(
    [events.length, events[0]!.topic, events[0]!.data.truncated, isFlagged],
    [1, 'launchpad/octavia/bug/1680938', true, true],
  );
  assert.deepEqual(refused, ['a mail is too long, and was published without its text']);
});

test('an attachment of 15 MB is read past, and the text published', async () => {
  const parts = `--b0\nContent-Type: text/plain\n\nthe text\n--b0\nContent-Type: application/zip\nContent-Transfer-Encoding: base64\n\n`;
  const { events, refused } = await explode(`${multipart(parts)}${'QUJDREVG\r\n'.repeat(1_500_000)}--b0--\r\n`);
  assert.deepEqual([events.map(({ data }) => data.body), refused], [['the text'], []]);
});

test('a text of more than a megabyte is left out', async () => {
  const { events, isFlagged } = await explode(launchpadMail({ body: 'long '.repeat(300_000) }));
  assert.deepEqual([events.length, events[0]!.data.truncated, isFlagged], [1, true, true]);
});

test('a thousand tasks are a thousand events, and no text that would make them too much', async () => {
  const tasks = Array.from({ length: 1000 }, (_, at) => `product=p${at}; status=New`);
  const { events, isFlagged } = await explode(launchpadMail({ headers: { 'X-Launchpad-Bug': tasks }, body: 'long '.repeat(20_000) }));
  assert.deepEqual([new Set(events.map(({ topic }) => topic)).size, events[0]!.data.truncated, isFlagged], [1000, true, true]);
});

test('a mail whose headers would fill the disk when each task carries them is not read', async () => {
  const tasks = Array.from({ length: 1000 }, (_, at) => `product=p${at}; status=New`);
  const { events, isFlagged } = await explode(
    launchpadMail({ headers: { 'X-Launchpad-Bug': tasks, 'X-Launchpad-Fill': 'x'.repeat(200_000) } }),
  );
  assert.deepEqual([events.map(({ topic }) => topic), isFlagged], [['launchpad/$gap'], false]);
});

test('a charset that nobody knows keeps nothing from being published', async () => {
  const { events } = await explode(launchpadMail({ headers: { 'Content-Type': 'text/plain; charset=martian-7' }, body: 'green' }));
  assert.deepEqual(
    events.map(({ data }) => data.body),
    ['green'],
  );
});

test('a mail without Message-ID, Date, Subject and text is published', async () => {
  const { events, isFlagged } = await explode('X-Generated-By: Launchpad\r\nX-Launchpad-Bug: product=nova\r\n\r\n');
  assert.deepEqual([events.map(({ topic }) => topic), isFlagged], [['launchpad/nova/bug'], true]);
});

test('bytes that are no mail are other mail', async () => {
  const { events, isFlagged, refused } = await explode(Buffer.from([0, 0xff, 0xfe, 0x0a, 0x0d, 0x80, 0x0a, 0x0a, 0]));
  assert.deepEqual([events, isFlagged, refused], [[], false, []]);
});

test('a mail that only says in its text that it is Launchpad’s is other mail', async () => {
  const { events, isFlagged } = await explode(
    launchpadMail({ headers: { 'X-Generated-By': undefined }, body: 'X-Generated-By: Launchpad\n' }),
  );
  assert.deepEqual([events, isFlagged], [[], false]);
});
