import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateStore } from '../core/state-store.ts';
import { openJournal } from '../journal/journal.ts';
import { type BusPlace, busContract } from '../testing/bus-contract.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { openBroker } from './broker.ts';
import { clientOptions, limitOptions, sessionOptions, sysOptions } from './options.ts';
import { STATE_STEPS } from './session-state.ts';

async function openEngine(dir: string) {
  const journal = await openJournal(join(dir, 'journal'), { journalId: '00000000000000aa' });
  const store = new StateStore(join(dir, 'state.db'), { steps: STATE_STEPS });
  const options = {
    sessions: sessionOptions.parse({}),
    limits: limitOptions.parse({}),
    journal: { qos0: true, exclude: ['live/#'] },
    sys: sysOptions.parse({}),
    clients: clientOptions.parse({}),
  };
  const broker = await openBroker({ journal, store, options, version: '0' });
  const close = async (): Promise<void> => {
    await broker.close();
    await store.close();
    await journal.close();
  };
  return { broker, journal, close };
}

async function createPlace(): Promise<BusPlace> {
  const folder = await createTempFolder('hydrant-bus');
  let engine = await openEngine(folder.path);
  return {
    bus: engine.broker.bus,
    async restart() {
      await engine.close();
      engine = await openEngine(folder.path);
      return engine.broker.bus;
    },
    async [Symbol.asyncDispose]() {
      await engine.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

busContract('embedded', createPlace);

test('an acknowledged event is in the journal; one on an excluded topic is only delivered', async () => {
  await using folder = await createTempFolder('hydrant-bus');
  const { broker, journal, close } = await openEngine(folder.path);
  const kept = await broker.bus.publish({ topic: 'kept/a', payload: Buffer.from('1'), qos: 1, retain: false });
  assert.ok(journal.head >= kept.seq);
  const live = await broker.bus.publish({ topic: 'live/a', payload: Buffer.from('2'), qos: 1, retain: false });
  assert.equal(live.seq, 0);
  assert.equal(broker.statistics.unjournalled, 1);
  await close();
});

test('a durable is read by one subscription at a time', async () => {
  await using folder = await createTempFolder('hydrant-bus');
  const { broker, close } = await openEngine(folder.path);
  await broker.bus.subscribe(['a'], { durable: 'one' });
  await assert.rejects(broker.bus.subscribe(['a'], { durable: 'one' }), { code: 'HYD_REFUSED', message: /one/ });
  await close();
});
