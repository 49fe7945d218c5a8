import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkProvider } from './check-credentials.ts';
import { checkOptions } from './check-options.ts';
import { aws, azure, azureEventGrid, clearblade, customAuthorizer, generic, jwt, openClient, sas } from './index.ts';
import type { ClientOptions } from './options.ts';

const url = 'mqtt://127.0.0.1:9';

for (const [what, options, message, fix] of [
  ['an option that does not exist', { outbox: ':memory:', url, keepAlive: 5 }, /no option keepAlive$/, /keepAliveSeconds/],
  ['nothing', undefined, /takes one object of options, not undefined/, /outbox/],
  ['the address as an argument of its own', 'mqtt://127.0.0.1', /not "mqtt:\/\/127.0.0.1"/, /\{ url/],
  ['an account as other clients take it', { outbox: ':memory:', url, username: 'me' }, /no option username$/, /credentials: \{ username/],
  ['a certificate as other clients take it', { outbox: ':memory:', url, ca: 'x' }, /no option ca$/, /within `tls`/],
  ['no outbox', { url }, /needs an outbox/, /:memory:/],
  ['an empty outbox', { outbox: '', url }, /needs an outbox/, /:memory:/],
  ['a version of MQTT that there is not', { outbox: ':memory:', url, version: 3 }, /version 3/, /5, or 4/],
  ['two engines', { outbox: ':memory:', url, bus: {} }, /url and bus/, /one of them/],
  ['a window of nothing', { outbox: ':memory:', url, maxInFlight: 0 }, /maxInFlight: 0/, /above 0/],
  ['attempts without any delay', { outbox: ':memory:', url, maxBackoffMs: 0 }, /maxBackoffMs: 0/, /above 0/],
  ['a rate of nothing', { outbox: ':memory:', url, rate: { eventsPerSecond: 0 } }, /rate.eventsPerSecond: 0/, /above 0/],
  ['no server', { outbox: ':memory:', profile: generic() }, /generic knows no server/, /url/],
  ['a URL that is none', { outbox: ':memory:', url: 'nonsense' }, /nonsense/, /./],
] as const) {
  test(`${what} is refused by name`, async () => {
    await assert.rejects(openClient(options as unknown as ClientOptions), (error: { code: string; message: string; fix: string }) => {
      assert.equal(error.code, 'HYD_USAGE');
      assert.match(error.message, message);
      assert.match(error.fix, fix);
      return true;
    });
  });
}

test('what is wrong within an option is named too', () => {
  for (const [options, message] of [
    [{ channels: { data: { maxEvnts: 1 } } }, /channel data has no option maxEvnts/],
    [{ channels: { data: { whenFull: 'drop_oldest' } } }, /whenFull of the channel data: "drop_oldest"/],
    [{ rate: { eventPerSecond: 1 } }, /rate has no option eventPerSecond/],
    [{ profile: 'clearblade' }, /the profile "clearblade" is none/],
    [{ profile: generic }, /the profile a function is none/],
    [{ profile: null }, /the profile null is none/],
    [{ profile: { device: 'd1' } }, /the profile an object is none/],
    [{ channels: ['data'] }, /channels: an array/],
    [{ channels: { data: 5 } }, /channel data has options: 5 is no object/],
    [{ channels: { data: { maxEvents: '5' } } }, /maxEvents of the channel data: "5"/],
    [{ channels: { data: { maxBytes: -1 } } }, /maxBytes of the channel data: -1/],
    [{ channels: { data: { maxAgeMs: '1h' } } }, /maxAgeMs of the channel data: "1h"/],
    [{ channels: { data: { waitMs: '1s' } } }, /waitMs of the channel data: "1s"/],
    [{ channels: { data: { priority: 'high' } } }, /priority of the channel data: "high"/],
    [{ rate: 5 }, /rate has options: 5 is no object/],
    [{ rate: { eventsPerSecond: '5' } }, /rate.eventsPerSecond: "5"/],
    [{ maxInFlight: '10' }, /maxInFlight: "10"/],
    [{ maxInFlight: 0.5 }, /maxInFlight: 0.5/],
    [{ keepAliveSeconds: '10' }, /keepAliveSeconds: "10"/],
    [{ keepAliveSeconds: 65_536 }, /keepAliveSeconds: 65536/],
    [{ maxBackoffMs: Number.POSITIVE_INFINITY }, /maxBackoffMs: Infinity/],
    [{ clientId: 5 }, /clientId: 5/],
    [{ clientId: '' }, /clientId: ""/],
    [{ clientId: 'a\0b' }, /clientId: "a/],
    [{ log: console }, /log: an object is no function/],
    [{ bus: {} }, /bus: an object has no publish/],
    [{ status: 'yes' }, /status has options: "yes"/],
    [{ status: { interval: 5 } }, /status has no option interval/],
    [{ status: { intervalMs: 0 } }, /status.intervalMs: 0/],
    [{ tls: './ca.pem' }, /tls: "\.\/ca.pem"/],
    [{ tls: { ca: './ca.pem' } }, /tls.ca: "\.\/ca.pem" is not PEM/],
    [{ tls: { key: ['./key.pem'] } }, /tls.key is not PEM$/],
    [{ credentials: 'me:secret' }, /credentials: a text$/],
    [{ credentials: null }, /credentials: null/],
    [{ credentials: Promise.resolve({}) }, /credentials: a promise/],
    [{ credentials: { user: 'me' } }, /credentials has no option user$/],
    [{ credentials: { username: 5 } }, /user name is 5/],
    [{ credentials: { password: 7 } }, /password is neither/],
  ] as const)
    assert.throws(() => checkOptions({ outbox: ':memory:', ...options } as unknown as ClientOptions), { code: 'HYD_USAGE', message });
  assert.throws(() => checkOptions({ outbox: ':memory:', status: { topic: 'a/#' } }), { code: 'HYD_TOPIC' });
  checkOptions({
    outbox: ':memory:',
    tls: { ca: [Buffer.from('x'), '-----BEGIN CERTIFICATE-----'] },
    credentials: { username: undefined },
  });
  checkOptions({ outbox: ':memory:', channels: { data: { priority: 1, whenFull: 'wait' } } });
});

test('what a profile is made of is checked when it is made', () => {
  const wrong = (make: (options: never) => unknown, options: unknown, message: RegExp) =>
    assert.throws(() => make(options as never), { code: 'HYD_USAGE', message });
  wrong(generic, 'd1', /generic\(\) has options: "d1" is no object/);
  wrong(generic, { deviceId: 'd1' }, /generic\(\) has no option deviceId/);
  wrong(generic, { device: 'hall/#' }, /generic\(\{ device \}\) "hall\/#" is no name/);
  wrong(generic, { device: 7 }, /generic\(\{ device \}\) 7 is no name/);
  wrong(generic, { device: 'd1', maxEventBytes: '4k' }, /maxEventBytes of generic\(\): "4k"/);
  wrong(generic, { device: 'd1', eventsPerSecond: 0 }, /eventsPerSecond of generic\(\): 0/);
  for (const make of [clearblade, aws, azure, azureEventGrid, jwt, sas, customAuthorizer])
    wrong(make, undefined, new RegExp(`${make.name}\\(\\) has options: undefined is no object`));
  wrong(aws, { thing: 't', endpoint: 'host', device: 'd1' }, /aws\(\) has no option device/);
});

test('a credentials function that gives nothing, or something else, is told by name and not taken for no login', async () => {
  for (const [given, message] of [
    [undefined, /what the credentials function gave: undefined/],
    ['secret', /what the credentials function gave: a text$/],
    [{ user: 'me' }, /what the credentials function gave has no option user/],
  ] as const)
    await assert.rejects(checkProvider(async () => given as never)({ url, refusals: 0, signal: AbortSignal.timeout(1_000) }), {
      code: 'HYD_USAGE',
      message,
    });
});
