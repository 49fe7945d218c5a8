import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Child } from '../../src/testing/child.ts';
import { HYDRANT_BIN, type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';

// `hydrant sub --since` at Hydrant: history first, then live, without a gap or a duplicate.
const PAST = 3000;
const LIVE = 3000;
let server: HydrantServer;
let url: string[];
const publish = (from: number, to: number) => {
  const input = Array.from({ length: to - from }, (_, i) => String(from + i)).join('\n');
  return runHydrant(['pub', ...url, '-t', 'n/x', '-l', '-q', '1'], { input });
};
const numbers = (text: string): number[] => text.trim().split('\n').map(Number);

before(async () => {
  server = await startHydrant({ set: { 'clients.events': false } });
  url = ['--url', server.mqttUrl];
  assert.equal((await publish(0, PAST)).code, 0);
});
after(() => server[Symbol.asyncDispose]());

for (const version of ['311', '5']) {
  test(`what is published while history is read comes once, in order, over MQTT ${version}`, async () => {
    const first = version === '311' ? PAST : PAST + LIVE;
    await using reader = new Child(
      HYDRANT_BIN,
      ['sub', ...url, '-V', version, '-t', 'n/#', '--since', '1h', '-q', '1', '-C', String(first + LIVE)],
      {},
    );
    await reader.line(() => true, 10_000, 'its first line');
    assert.equal((await publish(first, first + LIVE)).code, 0);
    assert.equal((await reader.exited).code, 0, reader.stderr);
    assert.deepEqual(
      numbers(reader.stdout),
      Array.from({ length: first + LIVE }, (_, i) => i),
    );
  });
}

test('--since takes a sequence, a date, and a time in a zone', async () => {
  const last = await runHydrant(['sub', ...url, '-t', 'n/x', '--since', '2990', '-C', '3', '-W', '10']);
  assert.deepEqual(numbers(last.stdout), [2989, 2990, 2991]);
  for (const since of ['yesterday', '2020-01-01', '2020-01-01T00:00+02:00']) {
    const all = await runHydrant(['sub', ...url, '-t', 'n/x', '--since', since, '-C', '1', '-W', '10']);
    assert.deepEqual(numbers(all.stdout), [0], `${since} ${all.stderr}`);
  }
});

test('what is no time, and a shared subscription, are refused with the fix', async () => {
  const time = await runHydrant(['sub', ...url, '-t', 'a', '--since', 'sometime']);
  assert.equal(time.code, 2);
  assert.match(time.stderr, /time "sometime": it is not a time\n {2}fix: /);
  const shared = await runHydrant(['sub', ...url, '-t', '$share/g/a', '--since', '1h']);
  assert.equal(shared.code, 2);
  assert.match(shared.stderr, /a shared subscription has one place for all its members\n {2}fix: Leave out --since/);
});

test('Ctrl-C takes leave: the will is not sent', async () => {
  await using witness = new Child(HYDRANT_BIN, ['sub', ...url, '-t', 'w/#', '-t', 'n/x', '--since', '1h', '-v'], {});
  await witness.line(() => true, 10_000, 'its first line');
  await using leaving = new Child(
    HYDRANT_BIN,
    ['sub', ...url, '-t', 'n/x', '--since', '1h', '--will-topic', 'w/gone', '--will-payload', 'x'],
    {},
  );
  await leaving.line(() => true, 10_000, 'its first line');
  assert.equal((await leaving.kill('SIGINT')).code, 130);
  await runHydrant(['pub', ...url, '-t', 'w/end', '-m', 'x', '-q', '1']);
  await witness.line((line) => (line === 'w/end x' ? true : undefined), 10_000, 'the end');
  assert.ok(!witness.lines.includes('w/gone x'));
});
