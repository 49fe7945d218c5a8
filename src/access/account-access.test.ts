import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { FakeClock } from '../testing/fake-clock.ts';
import type { Credentials, Identity, Login } from './access.ts';
import { AccountAccess } from './account-access.ts';
import { accessOptions, aclOption } from './options.ts';
import { hashPassword } from './password-hash.ts';
import { createRules } from './rules.ts';
import type { AccessSettings } from './settings.ts';

const ANN = hashPassword(Buffer.from('ann’s'));
const BOB = hashPassword(Buffer.from('bob’s'));
const open: AccountAccess[] = [];

afterEach(async () => {
  for (const access of open.splice(0)) await access.close();
});

interface Given {
  accounts?: Record<string, string>;
  acl?: object;
  access?: object;
  preset?: 'open' | 'firehose';
}

function settings({ accounts, acl = {}, access = {}, preset = 'open' }: Given): AccessSettings {
  const config = accessOptions.parse(access);
  const known = accounts && new Map(Object.entries(accounts));
  const rules = createRules({ preset, acl: aclOption.parse(acl) }, known !== undefined || config.certificateUser);
  return { config, rules, accounts: known, keys: undefined };
}

function create(given: Given, parts: ConstructorParameters<typeof AccountAccess>[1] = {}): AccountAccess {
  const access = new AccountAccess(settings(given), { sleep: async () => {}, ...parts });
  open.push(access);
  return access;
}

const from = (username?: string, password?: string, more: Partial<Credentials> = {}): Credentials => ({
  door: 'mqtt',
  address: '192.0.2.1',
  username,
  password: password === undefined ? undefined : Buffer.from(password),
  ...more,
});

function identity(login: Login): Identity {
  assert.ok('identity' in login, JSON.stringify(login));
  return login.identity;
}

function refused(login: Login): [refused: string, why: string] {
  assert.ok('refused' in login, JSON.stringify(login));
  return [login.refused, login.why];
}

test('without accounts and rules everybody is anonymous and may do everything', async () => {
  const access = create({});
  const ann = identity(await access.login(from('ann', 'whatever')));
  assert.deepEqual(ann, { user: 'anonymous', admin: false });
  assert.equal(access.permissions(ann, 'c').mayPublish('$x/y'), true);
});

test('with accounts their owners come in, and nobody without', async () => {
  const access = create({ accounts: { ann: ANN, bob: BOB } });
  const ann = identity(await access.login(from('ann', 'ann’s')));
  assert.equal(ann.user, 'ann');
  assert.equal(access.permissions(ann, 'c').mayPublish('any/topic'), true);
  assert.deepEqual(refused(await access.login(from())), ['not-authorized', 'anonymous clients are not let in']);
  assert.deepEqual(refused(await access.login(from('', ''))), ['not-authorized', 'anonymous clients are not let in']);
});

test('a wrong password, another’s, none, and an unknown name get the same answer', async () => {
  const access = create({ accounts: { ann: ANN, bob: BOB } });
  const logins = [
    from('ann', 'bob’s'),
    from('ann', ''),
    from('ann'),
    from('eve', 'ann’s'),
    from(undefined, 'ann’s'),
    from('anonymous', 'x'),
  ];
  const answers = await Promise.all(logins.map((credentials) => access.login(credentials)));
  for (const answer of answers) assert.deepEqual(refused(answer), ['bad-credentials', 'wrong name or password']);
});

test('an unknown name takes a thread’s time as a known one does', async () => {
  const access = create({ accounts: { ann: ANN }, access: { waitingLogins: 1 } });
  const first = access.login(from('eve', 'x'));
  assert.deepEqual(refused(await access.login(from('ann', 'ann’s'))), ['server-busy', '1 logins wait already']);
  assert.equal(refused(await first)[0], 'bad-credentials');
});

test('who has come in once comes in again without the thread, and so do many at once with the same password', async () => {
  const access = create({ accounts: { ann: ANN }, access: { waitingLogins: 1 } });
  const storm = await Promise.all(Array.from({ length: 100 }, () => access.login(from('ann', 'ann’s'))));
  for (const login of storm) identity(login);
  const other = access.login(from('eve', 'x'));
  identity(await access.login(from('ann', 'ann’s')));
  refused(await other);
});

test('another password for an account ends what the old one opened', async () => {
  const access = create({ accounts: { ann: ANN, bob: BOB } });
  const ann = identity(await access.login(from('ann', 'ann’s')));
  const bob = identity(await access.login(from('bob', 'bob’s')));
  let changes = 0;
  access.onChange = () => changes++;
  access.apply(settings({ accounts: { ann: hashPassword(Buffer.from('new')), bob: BOB } }));
  assert.equal(changes, 1);
  assert.deepEqual([access.isCurrent(ann), access.isCurrent(bob)], [false, true]);
  assert.equal(access.permissions(ann, 'c').mayPublish('a'), false);
  assert.equal(access.permissions(bob, 'c').mayPublish('a'), true);
  assert.equal(refused(await access.login(from('ann', 'ann’s')))[0], 'bad-credentials');
  assert.equal(identity(await access.login(from('ann', 'new'))).user, 'ann');
});

test('other rules count at once for those who are in, and an account that is gone may do nothing', async () => {
  const access = create({ accounts: { ann: ANN }, acl: { ann: { publish: ['a/#'] }, anonymous: { subscribe: ['#'] } } });
  const ann = identity(await access.login(from('ann', 'ann’s')));
  const anonymous = identity(await access.login(from()));
  assert.equal(access.permissions(ann, 'c').mayPublish('a/1'), true);
  access.apply(settings({ accounts: { ann: ANN }, acl: { ann: { publish: ['b/#'] } } }));
  assert.deepEqual([access.permissions(ann, 'c').mayPublish('a/1'), access.permissions(ann, 'c').mayPublish('b/1')], [false, true]);
  assert.equal(access.isCurrent(anonymous), false);
  assert.equal(access.permissions(anonymous, 'c').subscription('#'), undefined);
  access.apply(settings({ accounts: {}, acl: { ann: { publish: ['b/#'] } } }));
  assert.equal(access.isCurrent(ann), false);
  assert.equal(access.permissions(ann, 'c').mayPublish('b/1'), false);
});

test('an account that changes while its password is checked does not come in', async () => {
  const access = create({ accounts: { ann: ANN } });
  const login = access.login(from('ann', 'ann’s'));
  await new Promise((resolve) => setImmediate(resolve));
  access.apply(settings({ accounts: {} }));
  assert.equal(refused(await login)[0], 'bad-credentials');
});

test('only accounts that are listed are admins, and anonymous clients never', async () => {
  const access = create({ accounts: { ann: ANN, bob: BOB }, acl: { anonymous: {} }, access: { admins: ['ann', 'anonymous'] } });
  const admins = await Promise.all([from('ann', 'ann’s'), from('bob', 'bob’s'), from()].map((given) => access.login(given)));
  assert.deepEqual(
    admins.map((login) => identity(login).admin),
    [true, false, false],
  );
});

test('the name in a verified client certificate is the user, and no other name is taken with it', async () => {
  const access = create({ access: { certificateUser: true }, acl: { sensor1: { publish: ['s/1'] } } });
  const certificate = { door: 'mqtts', certificateName: 'sensor1' } as const;
  for (const given of [from(undefined, undefined, certificate), from('sensor1', 'any', certificate)]) {
    const sensor = identity(await access.login(given));
    assert.deepEqual([sensor.user, access.permissions(sensor, 'c').mayPublish('s/1')], ['sensor1', true]);
  }
  assert.equal(refused(await access.login(from('ann', 'x', certificate)))[0], 'bad-credentials');
  for (const name of ['anonymous', '*', '', 'a\nb', '$bus']) {
    assert.equal(
      refused(await access.login(from(undefined, undefined, { ...certificate, certificateName: name })))[0],
      'not-authorized',
      name,
    );
  }
  assert.equal(refused(await access.login(from()))[0], 'not-authorized');
});

test('a certificate’s name means nothing unless the configuration says so', async () => {
  const access = create({ accounts: { ann: ANN } });
  assert.equal(refused(await access.login(from(undefined, undefined, { certificateName: 'ann' })))[0], 'not-authorized');
});

test('guessing is slowed, for right passwords too, and a right one ends it', async () => {
  const delays: number[] = [];
  const clock = new FakeClock('2026-11-21T10:00:00Z');
  const access = create({ accounts: { ann: ANN } }, { clock, sleep: async (ms) => void delays.push(ms) });
  for (let i = 0; i < 7; i++) refused(await access.login(from('ann', `guess ${i}`)));
  identity(await access.login(from('ann', 'ann’s')));
  identity(await access.login(from('ann', 'ann’s')));
  assert.deepEqual(delays, [250, 500, 1000]);
});

test('too many slowed logins of one address are refused at once, and other addresses come in', async () => {
  const wake = Promise.withResolvers<void>();
  const access = create({ accounts: { ann: ANN }, access: { attempts: { free: 1, waiting: 2 } } }, { sleep: () => wake.promise });
  refused(await access.login(from('ann', 'x')));
  const slow = [access.login(from('ann', 'x')), access.login(from('ann', 'ann’s'))];
  assert.deepEqual(refused(await access.login(from('ann', 'ann’s'))), ['banned', 'too many failed logins from this address']);
  identity(await access.login(from('ann', 'ann’s', { address: '192.0.2.2' })));
  wake.resolve();
  assert.deepEqual(
    (await Promise.all(slow)).map((login) => 'identity' in login),
    [false, true],
  );
});
