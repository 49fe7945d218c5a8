import { test } from 'node:test';
import { within } from '../testing/deadline.ts';
import { openClient } from './index.ts';

const ATTEMPTS = 25;

test('between two attempts to connect there is no more than `maxBackoffMs`', async () => {
  await using client = await openClient({ outbox: ':memory:', url: 'mqtt://127.0.0.1:9', maxBackoffMs: 10 });
  const tried = Promise.withResolvers<void>();
  let failed = 0;
  client.on('link', ({ kind }) => {
    if (kind === 'failed' && ++failed === ATTEMPTS) tried.resolve();
  });
  client.publish({ topic: 'a', payload: 'x' });
  // Up to half a minute each they would take some minutes.
  await within(tried.promise, 20_000, `${ATTEMPTS} attempts`);
  await client.close({ deadlineMs: 0 });
});
