import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDovecot } from '../../testing/dovecot.ts';
import { launchpadMail } from '../../testing/launchpad-mail.ts';
import { createMailbox } from './mailbox.ts';
import { launchpadOptions } from './options.ts';

test('behind the last mail there is none, though the server gives the last for any number above it', async () => {
  await using dovecot = await startDovecot();
  for (let number = 1; number <= 2; number++) await dovecot.deliver(launchpadMail({ number }));
  const { port, user, password } = dovecot;
  const mailbox = await createMailbox(launchpadOptions.parse({ host: '127.0.0.1', port, tls: 'off', user, password }), undefined);
  try {
    await mailbox.connect();
    await mailbox.select(false);
    assert.deepEqual(await mailbox.newer(0), [1, 2]);
    assert.deepEqual(await mailbox.newer(1), [2]);
    assert.deepEqual(await mailbox.newer(2), []);
    assert.deepEqual(await mailbox.existing([1, 2, 3]), [1, 2]);
    assert.deepEqual(
      [await mailbox.hasHeader(1, 'X-Generated-By', 'Launchpad'), await mailbox.hasHeader(1, 'X-Generated-By', 'Mailman')],
      [true, false],
    );
  } finally {
    await mailbox.leave();
  }
});
