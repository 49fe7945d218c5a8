import { openClient } from '../client/index.ts';

/**
 * A process that publishes numbered events on two channels until it is killed, and says which are stored; or sends what is there and ends.
 * Arguments: the outbox, the server's URL, `flush` or the name of this run.
 */
const [outbox, url, run] = process.argv.slice(2) as [string, string, string];
const client = await openClient({ outbox, url, maxInFlight: 50 });
if (run === 'flush') {
  console.log(`left ${(await client.close({ deadlineMs: 60_000 })).remaining}`);
} else {
  for (let number = 0; ; ) {
    const some: Promise<string>[] = [];
    for (let i = 0; i < 20; i++) {
      const channel = i % 2 === 0 ? 'even' : 'odd';
      const text = `${run}:${String(number++).padStart(6, '0')}`;
      some.push(client.publish({ topic: `numbers/${channel}`, payload: text, channel }).stored.then(() => text));
    }
    console.log(`stored ${(await Promise.all(some)).join(' ')}`);
  }
}
