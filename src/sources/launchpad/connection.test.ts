import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type BreakingProxy, startBreakingProxy } from '../../testing/breaking-proxy.ts';
import { createTestAuthority, type TestAuthority } from '../../testing/certificates.ts';
import { until } from '../../testing/deadline.ts';
import { type Dovecot, startDovecot } from '../../testing/dovecot.ts';
import { launchpadMail } from '../../testing/launchpad-mail.ts';
import { type SourceHarness, startSource, testSource } from '../../testing/source-harness.ts';
import { testSource as tryOut } from '../run/test-source.ts';
import type { TestStep } from '../source.ts';
import { launchpad } from './launchpad.ts';
import type { LaunchpadOptions } from './options.ts';

type Options = Partial<Record<keyof LaunchpadOptions, unknown>>;

let authority: TestAuthority;
let dovecot: Dovecot;

before(async () => {
  authority = await createTestAuthority();
  dovecot = await startDovecot({ tls: await authority.server() });
  await dovecot.deliver(launchpadMail({ number: 1 }));
});
after(async () => {
  await dovecot?.[Symbol.asyncDispose]();
  await authority?.[Symbol.asyncDispose]();
});

const withTls = (more: Options = {}): Options => ({
  host: 'localhost',
  port: dovecot.tlsPort,
  ca: authority.ca,
  user: dovecot.user,
  password: dovecot.password,
  ...more,
});
const bare = ({ port, user, password }: Dovecot, more: Options = {}): Options => ({
  host: '127.0.0.1',
  port,
  tls: 'off',
  user,
  password,
  ...more,
});

async function failure(options: Options): Promise<{ what: string; why: string; fix: string }> {
  const step = (await testSource(launchpad, options)).at(-1) as TestStep;
  assert.ok('ok' in step && !step.ok, JSON.stringify(step));
  return step;
}

for (const [name, options] of [
  ['TLS from the first byte', {}],
  ['STARTTLS', { tls: 'starttls' }],
  ['a certificate that nobody looks at', { insecure: true, ca: undefined }],
] as const)
  test(`the mailbox is read over ${name}, and a test changes nothing in it`, async () => {
    const flags = await dovecot.flags();
    const port = 'tls' in options ? dovecot.port : dovecot.tlsPort;
    const steps = await testSource(launchpad, withTls({ ...options, port }));
    assert.deepEqual(
      steps.map((step) => ('event' in step ? step.event.topic : step.ok)),
      [true, true, true, 'launchpad/octavia/bug/1'],
    );
    assert.deepEqual(await dovecot.flags(), flags);
  });

test('a test shows the last three events of the last mails, and none that is private', async () => {
  await using mailbox = await startDovecot();
  for (let number = 1; number <= 5; number++) await mailbox.deliver(launchpadMail({ number }));
  await mailbox.deliver(launchpadMail({ number: 6, headers: { 'X-Launchpad-Bug-Private': 'yes' } }));
  await mailbox.deliver('Subject: lunch?\r\n\r\n');
  const steps = await testSource(launchpad, bare(mailbox));
  assert.deepEqual(
    steps.flatMap((step) => ('event' in step ? [step.event.topic] : [])),
    [3, 4, 5].map((number) => `launchpad/octavia/bug/${number}`),
  );
  assert.match(JSON.stringify(steps), /of 7, 6 are Launchpad’s, 1 of them private/);
});

test('an unknown authority, another name and an expired certificate are told apart', async () => {
  const unknown = await failure(withTls({ ca: undefined }));
  assert.match(unknown.why, /^the certificate of localhost:\d+ is not trusted: [^;]*$/);
  assert.match(unknown.fix, /--ca FILE/);
  await using other = await startDovecot({ tls: await authority.server('other', { hosts: ['mail.example.org'] }) });
  assert.match((await failure(withTls({ port: other.tlsPort }))).why, /is for other names/);
  await using old = await startDovecot({ tls: await authority.server('old', { expired: true }) });
  const expired = await failure(withTls({ port: old.tlsPort }));
  assert.match(expired.why, /has expired/);
  assert.match(expired.fix, /--insecure/);
});

test('TLS at a port without it, and no TLS at a port with it, are said to be that', async () => {
  const tls = await failure(withTls({ port: dovecot.port }));
  assert.match(tls.why, /does not begin with TLS/);
  assert.match(tls.fix, /--tls starttls/);
  const silent = await failure(withTls({ tls: 'off', timeout: '1s' }));
  assert.match(silent.why, /says nothing/);
  assert.match(silent.fix, /--tls on/);
});

test('a server that cannot change to TLS gets no password', async () => {
  await using plain = await startDovecot();
  const { why, fix } = await failure(bare(plain, { tls: 'starttls' }));
  assert.match(why, /cannot change to TLS/);
  assert.match(fix, /--tls/);
});

test('a server that takes no password without TLS is said to be one', async () => {
  await using strict = await startDovecot({ config: ['disable_plaintext_auth = yes'] });
  const { why, fix } = await failure(bare(strict, { host: '127.0.0.2' }));
  assert.match(why, /takes no password without TLS/);
  assert.match(fix, /--tls starttls/);
});

test('a wrong password is told with the user, and not with the password', async () => {
  const { what, why, fix } = await failure(withTls({ password: 'wrong-secret' }));
  assert.match(why, /refuses the user bugs: Authentication failed\.$/);
  assert.match(fix, /--password/);
  assert.doesNotMatch(what + why + fix, /wrong-secret/);
});

test('a mailbox that is not there is named', async () => {
  const { what, why, fix } = await failure(withTls({ mailbox: 'Lists/launchpad' }));
  assert.equal(what, 'open the mailbox Lists/launchpad');
  assert.match(why, /there is no mailbox "Lists\/launchpad" that bugs may open/);
  assert.match(fix, /--mailbox/);
});

test('no host, no server, and a server of something else are told apart', async () => {
  assert.match((await failure(withTls({ host: 'no-such-host.invalid' }))).why, /there is no host no-such-host\.invalid/);
  assert.match((await failure(withTls({ port: 1 }))).why, /nothing listens at localhost:1/);
  let socketsEnd = false;
  const server = createServer((socket) => void socket.on('error', () => {}).end(socketsEnd ? '' : '220 mail.example.org ESMTP\r\n')).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    assert.notEqual((await failure(bare(dovecot, { port }))).why, '');
    socketsEnd = true;
    assert.match((await failure(bare(dovecot, { port }))).fix, /^Check that an IMAP server listens there/);
  } finally {
    server.close();
  }
});

test('a test whose time is over says which step had no answer', async () => {
  await using proxy = await startBreakingProxy(dovecot.port);
  const stop = new AbortController();
  const options = launchpad.options.parse(bare(dovecot, { port: proxy.port, timeout: '1h' }));
  const steps = tryOut({ kind: launchpad, options, name: 'bugs' }, stop.signal);
  const connected = (await steps.next()).value as TestStep;
  assert.ok('ok' in connected && connected.ok);
  proxy.blackhole();
  const next = steps.next();
  stop.abort();
  const silent = { ok: false, why: 'there was no answer in time' };
  assert.partialDeepStrictEqual((await next).value, { ...silent, what: 'open the mailbox INBOX' });
  assert.equal((await steps.next()).done, true);
  const soon = new AbortController();
  const others = tryOut({ kind: launchpad, options, name: 'bugs' }, soon.signal);
  const first = others.next();
  await until(() => proxy.connections > 1, 'it to connect');
  soon.abort();
  assert.partialDeepStrictEqual((await first).value, { ...silent, what: `connect to 127.0.0.1:${proxy.port} and log in as bugs` });
});

test('without UIDPLUS, a test of `expunge` says that mails are only marked', async () => {
  await using old = await startDovecot({ config: ['imap_capability = IMAP4rev1 IDLE'] });
  const steps = await testSource(launchpad, bare(old, { after: 'expunge' }));
  assert.match(JSON.stringify(steps), /no UIDPLUS.*only marked as deleted/);
});

test('an authority that cannot be read is named', async () => {
  const { why, fix } = await failure(withTls({ ca: join(authority.path, 'none.pem') }));
  assert.match(why, /the authority .*none\.pem cannot be read/);
  assert.match(fix, /--ca/);
});

test('options that cannot be meant are refused', () => {
  for (const more of [
    { base: 'launchpad/#' },
    { base: '' },
    { port: 0 },
    { tls: 'yes' },
    { after: 'delete' },
    { maxMail: '1KiB' },
    { passwort: 'x' },
    { poll: '10ms' },
  ])
    assert.equal(launchpad.options.safeParse(withTls(more)).success, false, JSON.stringify(more));
});

const numbers = ({ events }: SourceHarness<LaunchpadOptions>): string[] =>
  events.map(({ payload }) => JSON.parse(Buffer.from(payload).toString())['bug-number']);

/** A mailbox behind a network that breaks, and a source that reads it. */
async function startWorld(): Promise<
  AsyncDisposable & { mailbox: Dovecot; proxy: BreakingProxy; harness: SourceHarness<LaunchpadOptions> }
> {
  await using stack = new AsyncDisposableStack();
  const mailbox = stack.use(await startDovecot());
  const proxy = stack.use(await startBreakingProxy(mailbox.port));
  const harness = stack.use(await startSource(launchpad, bare(mailbox, { port: proxy.port, poll: '1s', timeout: '1s' })));
  const all = stack.move();
  return { mailbox, proxy, harness, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const LAST = 120;
/** Numbers that arrive while something happens to the connection; each must come, in order, and be flagged. */
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

test(`numbered mails arrive while the link is cut again and again: each is published and flagged (SEED=${seed})`, async () => {
  await using world = await startWorld();
  const { mailbox, proxy, harness } = world;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let number = 1; number <= LAST; number++) {
    await mailbox.deliver(launchpadMail({ number }));
    if (number % 20 === 0) proxy.cutAfter(random(2) === 0 ? 'server' : 'client', random(20_000));
    if (number % 40 === 0) await harness.seen(Math.floor(number / 2));
  }
  await until(async () => [...(await mailbox.flags()).values()].every((flags) => flags === 'Sa'), 'all to be flagged', 60_000);
  assert.deepEqual(
    [...new Set(numbers(harness))],
    Array.from({ length: LAST }, (_, at) => String(at + 1)),
  );
  for (const { payload, id } of harness.events) {
    const same = harness.events.filter((event) => Buffer.from(event.payload).equals(Buffer.from(payload)));
    assert.deepEqual(new Set(same.map((event) => event.id)), new Set([id]));
  }
});

test('numbered mails arrive while the server is killed and the bus is away: nothing is flagged, and later all', async () => {
  await using world = await startWorld();
  const { mailbox, harness } = world;
  await mailbox.deliver(launchpadMail({ number: 1 }));
  await harness.seen(1);
  harness.bus.hold();
  for (let number = 2; number <= 10; number++) await mailbox.deliver(launchpadMail({ number }));
  await until(() => harness.source.status().published >= 10, 'all to be in the outbox');
  await mailbox.kill();
  for (let number = 11; number <= 20; number++) await mailbox.deliver(launchpadMail({ number }));
  await until(() => harness.source.status().errors > 0, 'the end to be noticed');
  assert.equal(harness.source.status().up, false);
  await mailbox.restart();
  await until(() => harness.source.status().published === 20, 'the rest to be in the outbox');
  assert.equal([...(await mailbox.flags()).values()].filter((flags) => flags !== '').length, 1);
  harness.bus.release();
  await until(async () => [...(await mailbox.flags()).values()].every((flags) => flags === 'Sa'), 'all to be flagged');
  assert.deepEqual(
    numbers(harness),
    Array.from({ length: 20 }, (_, at) => String(at + 1)),
  );
});

test('a server that stands still with its connections open is left, and read again when it goes on', async () => {
  await using world = await startWorld();
  const { mailbox, harness } = world;
  await mailbox.deliver(launchpadMail({ number: 1 }));
  await harness.seen(1);
  await mailbox.freeze();
  await until(() => harness.source.status().errors > 0, 'the silence to be noticed');
  assert.match(harness.source.status().lastError ?? '', /did not answer within 1 s/);
  await mailbox.thaw();
  await mailbox.deliver(launchpadMail({ number: 2 }));
  await harness.seen(2);
  assert.deepEqual(numbers(harness), ['1', '2']);
});

test('a network that swallows everything is noticed too', async () => {
  await using world = await startWorld();
  const { mailbox, proxy, harness } = world;
  await mailbox.deliver(launchpadMail({ number: 1 }));
  await harness.seen(1);
  proxy.blackhole();
  await until(() => harness.source.status().errors > 0, 'the silence to be noticed');
  proxy.heal();
  await mailbox.deliver(launchpadMail({ number: 2 }));
  await harness.seen(2);
  assert.deepEqual(numbers(harness), ['1', '2']);
});

test('a source that is stopped while the server is silent ends at once', async () => {
  await using mailbox = await startDovecot();
  await using proxy = await startBreakingProxy(mailbox.port);
  proxy.blackhole();
  await using harness = await startSource(launchpad, bare(mailbox, { port: proxy.port, timeout: '1h' }));
  await until(() => proxy.connections > 0, 'it to connect');
  await harness.stop();
  await harness.running;
});

test('a mailbox for reading only is refused where mails are to be marked', async () => {
  await using mailbox = await startDovecot({
    config: ['plugin {', '  acl = vfile', '}', 'protocol imap {', '  mail_plugins = acl imap_acl', '}'],
  });
  await mailbox.deliver(launchpadMail(), { folder: 'shared' });
  await mailbox.restrict('shared', 'lr');
  await using harness = await startSource(launchpad, bare(mailbox, { mailbox: 'shared' }));
  await until(() => harness.source.status().errors > 0, 'it to be refused');
  assert.match(harness.source.status().lastError ?? '', /for reading only/);
  assert.match(JSON.stringify(harness.logged), /--after leave/);
});
