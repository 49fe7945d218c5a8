import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HashThread } from './hash-thread.ts';
import { hashPassword } from './password-hash.ts';
import { VerifiedLogins } from './verified-logins.ts';

const password = Buffer.from('right');
const stored = hashPassword(password);

test('passwords are checked in the order given, and the thread is there only while it is needed', async () => {
  const thread = new HashThread({ maxWaiting: 10, idleMs: 1 });
  try {
    assert.equal(thread.running, false);
    const jobs = ['right', 'wrong', 'right'].map((text) => thread.verify({ password: Buffer.from(text), stored }));
    jobs.push(thread.verify({ password, stored: undefined }));
    assert.deepEqual(await Promise.all(jobs), [true, false, true, false]);
    while (thread.running) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await thread.verify({ password, stored }), true);
  } finally {
    await thread.close();
  }
});

test('beyond its bound a login is refused at once, and closing refuses those that wait', async () => {
  const thread = new HashThread({ maxWaiting: 2 });
  const waiting = [1, 2].map(() => thread.verify({ password, stored }));
  const settled = Promise.allSettled(waiting);
  await assert.rejects(thread.verify({ password, stored }), { code: 'HYD_BUSY', message: '2 logins wait already' });
  await thread.close();
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ['rejected', 'rejected'],
  );
});

test('a login is remembered for this user, password and hash only, and at most 10 000 are', () => {
  const logins = new VerifiedLogins();
  const key = logins.keyOf('ann', password, stored);
  logins.add(key);
  assert.equal(logins.has(logins.keyOf('ann', Buffer.from('right'), stored)), true);
  for (const [user, given, hash] of [
    ['bob', password, stored],
    ['ann', Buffer.from('other'), stored],
    ['ann', password, `${stored}x`],
  ] as const) {
    assert.equal(logins.has(logins.keyOf(user, given, hash)), false);
  }
  for (let i = 0; i < 9999; i++) logins.add(String(i));
  assert.equal(logins.has(key), true, 'just used, so it stays');
  logins.add('one more');
  assert.equal(logins.has('0'), false);
  assert.equal(logins.has(key), true);
  assert.equal(new VerifiedLogins().keyOf('ann', password, stored) === key, false, 'the key is the process’s own');
});
