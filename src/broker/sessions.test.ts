import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateStore } from '../core/state-store.ts';
import { openJournal } from '../journal/journal.ts';
import { encodePacket } from '../mqtt/encode.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { MemoryTransport } from '../testing/memory-transport.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { type Broker, openBroker } from './broker.ts';
import { clientOptions, limitOptions, sessionOptions, sysOptions } from './options.ts';
import type { Session } from './session.ts';
import { STATE_STEPS } from './session-state.ts';

const EXPIRY_MS = 60_000;

/** Connects without a clean session; resolves when the broker has given the connection its session. */
async function connect(broker: Broker): Promise<{ transport: MemoryTransport; session: Session }> {
  const transport = new MemoryTransport();
  broker.accept(transport);
  transport.onData(
    encodePacket({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'late', clean: false, keepalive: 0 }, 4),
  );
  while (!broker.sessions.holder('late')?.session) await Promise.resolve();
  return { transport, session: broker.sessions.get('late')! };
}

test('the time of a session stops when its client is back, before its CONNACK, and so it does in the state', async () => {
  await using folder = await createTempFolder('hydrant-sessions');
  const clock = new FakeClock('2026-11-21T10:00:00Z');
  await using journal = await openJournal(join(folder.path, 'journal'), { journalId: '00000000000000aa' });
  await using store = new StateStore(join(folder.path, 'state.db'), { steps: STATE_STEPS });
  const options = {
    sessions: sessionOptions.parse({ maxExpiry: `${EXPIRY_MS / 1000}s` }),
    limits: limitOptions.parse({}),
    journal: { qos0: true, exclude: [] },
    sys: sysOptions.parse({}),
    clients: clientOptions.parse({}),
  };
  const broker = await openBroker({ journal, store, options, version: '0', clock });
  try {
    const first = await connect(broker);
    await store.commit();
    first.transport.destroy();
    clock.advance(EXPIRY_MS - 1);
    const { transport, session } = await connect(broker);
    assert.equal(session, first.session);
    clock.advance(EXPIRY_MS);
    assert.deepEqual(transport.writes, [], 'the CONNACK waits for the state');
    assert.equal(broker.sessions.isExpired(session), false);
    await store.commit();
    assert.deepEqual(await store.all('SELECT client, disconnected_ms FROM sessions'), [{ client: 'late', disconnected_ms: null }]);
  } finally {
    await broker.close();
  }
});
