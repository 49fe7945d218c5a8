import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Child } from '../../src/testing/child.ts';
import { RawClient } from '../../src/testing/raw-client.ts';

/** The payload of 1 MiB in the exchange. */
export const LARGE = Buffer.from(Array.from({ length: 2 ** 20 }, (_, i) => i % 251));
const LARGE_NAME = `sha256:${createHash('sha256').update(LARGE).digest('hex')}`;

/** What a client receives in the exchange below `name`, each event as `topic payload qos retain`, sorted. */
export function expectedEvents(name: string): string[] {
  const events = ['kept kept 1 1', 'live 0 0 0', 'live 1 1 0', 'live 2 2 0', `large ${LARGE_NAME} 1 0`, 'missed 1 1 0', 'missed 2 2 0'];
  return events.map((event) => `${name}/${event}`).sort();
}

/**
 * Lets a client program go through the exchange that every client library here goes through: a lasting session that
 * subscribes `name/#` at QoS 2 and gets what was retained, an event at each QoS and one of 1 MiB, leaves, comes back to
 * what it missed at QoS 1 and 2; then a client with a will, which is killed.
 *
 * The program gets its URL, a CA file (or `-`), a protocol level and `name`; it prints a line for each event received,
 * then `done` once the client with the will is connected, and waits. A payload over 1000 bytes is printed as its SHA-256.
 */
export async function goThroughExchange(program: readonly string[], watchUrl: string, name: string): Promise<void> {
  using watcher = await RawClient.connect(watchUrl, { auto: true });
  await watcher.subscribe(`${name}/will`, 1);
  const [command, ...args] = program as [string, ...string[]];
  await using child = new Child(command, args);
  await child.line((line) => line === 'done' || undefined, 60_000, 'the end of its exchange');
  assert.deepEqual(child.stdout.trim().split('\n').slice(0, -1).sort(), expectedEvents(name));
  await child.kill();
  await watcher.expectMessage(`${name}/will`, 'gone', { qos: 1, retain: false });
}
