import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '../mqtt/client.ts';
import type { Event, QoS, StoredEvent } from '../wire/event.ts';
import { matchFilter } from '../wire/topic.ts';
import { receivedEvent } from './received.ts';

/** MQTT does not say which retained message is the last: when this many answers in a row came without a message between them, it was. */
const QUIET_PINGS = 3;
const PING_MS = 50;

/**
 * The retained messages in a data folder's state, by topic; all when no filter is given. Of a running server: as of its last commit, a fraction of a second ago.
 * @throws HYD_STATE when the state cannot be read
 */
export async function* readRetained(dataDir: string, filters: readonly string[]): AsyncGenerator<StoredEvent> {
  const path = join(dataDir, 'state.db');
  if (!existsSync(path)) return;
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(path, { readOnly: true, timeout: 10_000 });
  try {
    if (!database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'retained'").get()) return;
    for (const row of database.prepare('SELECT topic, seq, ts, qos, payload, props FROM retained ORDER BY topic').iterate()) {
      const topic = String(row.topic);
      if (filters.length > 0 && !filters.some((filter) => matchFilter(filter, topic))) continue;
      const more = JSON.parse(String(row.props)) as Partial<Event>;
      yield {
        ...more,
        topic,
        payload: row.payload as Uint8Array,
        qos: Number(row.qos) as QoS,
        retain: true,
        seq: Number(row.seq),
        ts: String(row.ts),
      };
    }
  } finally {
    database.close();
  }
}

/** The retained messages that a server of any kind sends for these filters, by topic. Their time is that of their arrival here. */
export async function fetchRetained(client: Client, filters: readonly string[]): Promise<StoredEvent[]> {
  const found = new Map<string, StoredEvent>();
  let messages = 0;
  const collected = (async () => {
    for await (const batch of client.messages) {
      for (const message of batch) {
        messages++;
        message.ack();
        if (!message.retain || found.has(message.topic)) continue;
        const event = receivedEvent(message, Date.now());
        found.set(message.topic, { ...event, payload: Buffer.from(event.payload) });
      }
    }
  })();
  collected.catch(() => {});
  await client.subscribe(filters.map((filter) => ({ filter, qos: 1 as const })));
  for (let quiet = 0, seen = 0; quiet < QUIET_PINGS; seen = messages) {
    await delay(PING_MS);
    await client.ping();
    quiet = messages === seen ? quiet + 1 : 0;
  }
  await client.close();
  await collected;
  return [...found.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
}
