import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkOptions } from './check-options.ts';
import { generic, openClient } from './index.ts';
import type { ClientOptions } from './options.ts';

const url = 'mqtt://127.0.0.1:9';

for (const [what, options, message, fix] of [
  ['an option that does not exist', { outbox: ':memory:', url, keepAlive: 5 }, /no option keepAlive$/, /keepAliveSeconds/],
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
    [{ channels: { data: { whenFull: 'drop_oldest' } } }, /whenFull of the channel data: drop_oldest/],
    [{ rate: { eventPerSecond: 1 } }, /rate has no eventPerSecond/],
    [{ profile: 'clearblade' }, /the profile clearblade is none/],
  ] as const)
    assert.throws(() => checkOptions({ outbox: ':memory:', ...options } as unknown as ClientOptions), { code: 'HYD_USAGE', message });
  checkOptions({ outbox: ':memory:', channels: { data: { priority: 1, whenFull: 'wait' } } });
});
