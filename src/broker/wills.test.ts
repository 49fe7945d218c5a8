import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateStore } from '../core/state-store.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import type { Event } from '../wire/event.ts';
import { STATE_STEPS } from './session-state.ts';
import { Wills } from './wills.ts';

const will = (topic: string) => ({ event: { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: false }, delaySeconds: 0 });

async function saved(store: StateStore): Promise<string[]> {
  await store.commit();
  const rows = await store.all('SELECT event FROM wills ORDER BY client');
  return rows.map(({ event }) => (JSON.parse(String(event)) as Event).topic);
}

test('a will that is being published stays in the state beside the one of the connection that took over, and each goes when it is done', async () => {
  await using folder = await createTempFolder();
  await using store = new StateStore(join(folder.path, 'state.db'), { steps: STATE_STEPS });
  const publishing: { topic: string; done: () => void }[] = [];
  const wills = new Wills(store, ({ topic }) => new Promise((resolve) => publishing.push({ topic, done: () => resolve(undefined) })));
  wills.set('c', will('first'));
  wills.lose('c', 0);
  wills.set('c', will('second'));
  assert.deepEqual(await saved(store), ['second', 'first']);
  const published: string[] = [];
  const restarted = new Wills(store, async ({ topic }) => published.push(topic));
  await restarted.load(0);
  assert.deepEqual(published.sort(), ['first', 'second'], 'a crash here loses neither');
  restarted.close();
  assert.deepEqual(
    publishing.map(({ topic }) => topic),
    ['first'],
  );
  wills.lose('c', 0);
  publishing[1]!.done();
  publishing[0]!.done();
  assert.deepEqual(await saved(store), []);
  wills.close();
});

test('a will that cannot be published is tried again until it can', async () => {
  await using folder = await createTempFolder();
  await using store = new StateStore(join(folder.path, 'state.db'), { steps: STATE_STEPS });
  const done = Promise.withResolvers<void>();
  let tries = 0;
  const wills = new Wills(store, async () => {
    if (++tries === 1) throw new Error('the disk is full');
    done.resolve();
  });
  wills.set('c', will('a'));
  wills.lose('c', 0);
  await done.promise;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await saved(store), []);
});
