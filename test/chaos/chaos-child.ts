import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HydrantError } from '../../src/client/index.ts';
import { CHANNELS, type ChildTask } from './child-task.ts';
import { textOf } from './numbers.ts';

const TICK_MS = 20;
const CLOSE_MS = 180_000;
const REFUSED = new Set(['HYD_OUTBOX', 'HYD_OUTBOX_FULL']);

/**
 * Publishes numbered events on several channels until it is killed, and writes what is stored, line by line; a line that a kill has cut lacks the
 * full stop. On SIGTERM it stops publishing, waits until everything is acknowledged, and ends by itself.
 */
const task = JSON.parse(process.argv[2]!) as ChildTask;
let skewMs = 0;
const setClock = (): void => {
  skewMs = Number(readFileSync(task.clockFile, 'utf8'));
};
setClock();
const now = Date.now;
Date.now = () => now() + skewMs;
// The client takes hold of the clock when it is loaded.
const { openClient, passwordFile } = await import('../../src/client/index.ts');
const open = () =>
  openClient({
    outbox: task.outbox,
    url: task.url,
    clientId: task.clientId,
    credentials: passwordFile(task.passwordFile, { username: task.username }),
    keepAliveSeconds: 2,
    maxBackoffMs: 1000,
    channels: Object.fromEntries(Object.entries(CHANNELS).map(([name, { bounds }]) => [name, bounds])),
    log: (level, message, fields) => console.error(level, message, JSON.stringify(fields ?? {})),
  });
let opened: Awaited<ReturnType<typeof open>> | undefined;
while (!opened) {
  opened = await open().catch(async (error: HydrantError) => {
    if (!REFUSED.has(error.code)) throw error;
    await sleep(50);
    return undefined;
  });
}
const client = opened;
client.on('quarantined', ({ error }) => console.log(`wrong ${error.message} .`));
client.on('dropped', ({ reason, events }) => console.log(`wrong: dropped ${events.length}: ${reason} .`));

let isStopping = false;
process.once('SIGTERM', () => {
  isStopping = true;
});
console.log('ready .');
const storing = new Set<Promise<void>>();
const unacked = new Set<string>();
const reports = new Map<string, number[]>();
const report = (channel: string, number: number): void => {
  if (reports.size === 0) setImmediate(print);
  const numbers = reports.get(channel);
  if (numbers) numbers.push(number);
  else reports.set(channel, [number]);
};
const print = (): void => {
  for (const [channel, numbers] of reports) console.log(`stored ${channel} ${numbers.join(' ')} .`);
  reports.clear();
};
const publish = (channel: string, number: number): void => {
  const text = textOf({ channel, life: task.life, number });
  const payload = text.padEnd(20 + ((number * 7919) % 200), ' x');
  const { stored, acked } = client.publish({ topic: `chaos/${channel}`, payload, channel, qos: CHANNELS[channel]!.qos });
  unacked.add(text);
  const told = stored.then(
    () => report(channel, number),
    (error: HydrantError) => {
      if (!REFUSED.has(error.code)) console.log(`wrong: ${text} was not stored: ${error.code} ${error.message} .`);
    },
  );
  storing.add(told);
  void told.then(() => storing.delete(told));
  acked.then(
    () => unacked.delete(text),
    (error: HydrantError) => {
      unacked.delete(text);
      if (!REFUSED.has(error.code)) console.log(`wrong: ${text} was not acknowledged: ${error.code} ${error.message} .`);
    },
  );
};

const owed = new Map<string, { amount: number; next: number }>();
for (let beforeMs = performance.now(); !isStopping; ) {
  await sleep(TICK_MS);
  setClock();
  const nowMs = performance.now();
  for (const [channel, { share }] of Object.entries(CHANNELS)) {
    const due = owed.get(channel) ?? { amount: 0, next: 0 };
    owed.set(channel, due);
    for (due.amount += (share * task.eventsPerSecond * Math.min(1000, nowMs - beforeMs)) / 1000; due.amount >= 1; due.amount--)
      publish(channel, due.next++);
  }
  beforeMs = nowMs;
}
while (storing.size > 0) await Promise.all(storing);
const { remaining } = await client.close({ deadlineMs: CLOSE_MS });
print();
if (unacked.size > 0) console.log(`wrong: ${unacked.size} promises of an acknowledgement have not settled, such as ${[...unacked][0]} .`);
console.log(`closed ${remaining} .`);
