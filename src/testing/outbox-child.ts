import { openOutbox } from '../client/outbox/open-outbox.ts';
import type { ChannelBounds } from '../client/outbox/outbox.ts';
import { outboxEvent } from './outbox-event.ts';

/**
 * A process that stores numbered events into an outbox and prints a line for each that is stored; tests kill it. Arguments: the folder,
 * its name, how many events (0: without end), and as JSON the bounds of the channel. With `CLAIM` in the environment it claims the right
 * to send first and says so; with `REMOVE` it removes what it stored and says so before and after; with `STAY` it ends when it is killed.
 */
const [path, name, count = '0', bounds] = process.argv.slice(2) as [string, string, string?, string?];
const { CLAIM, REMOVE, STAY } = process.env;
await using outbox = await openOutbox(path, { pollMs: 10 });
if (bounds !== undefined) outbox.configure('events', JSON.parse(bounds) as ChannelBounds);
if (CLAIM) {
  await outbox.claim();
  console.log('claimed');
}
const wanted = Number(count) || Number.POSITIVE_INFINITY;
for (let n = 0; n < wanted; n += 100) {
  const events = Array.from({ length: Math.min(100, wanted - n) }, (_, i) => outboxEvent(`${name} ${n + i}`));
  const records = await Promise.all(events.map((event) => outbox.put(event)));
  console.log(records.map(({ seq, id, payload }) => `stored ${seq} ${id} ${payload}`).join('\n'));
  if (!REMOVE) continue;
  console.log(records.map(({ seq }) => `removing ${seq}`).join('\n'));
  for (const { seq } of records) outbox.remove(seq);
  await outbox.settled();
  console.log(records.map(({ seq }) => `removed ${seq}`).join('\n'));
}
console.log('done');
if (STAY) await new Promise(() => setInterval(() => {}, 1000));
