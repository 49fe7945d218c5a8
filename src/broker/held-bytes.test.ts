import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { generate, type Packet } from 'mqtt-packet';
import { StateStore } from '../core/state-store.ts';
import { openJournal } from '../journal/journal.ts';
import { MemoryTransport } from '../testing/memory-transport.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { type Broker, openBroker } from './broker.ts';
import { clientOptions, limitOptions, sessionOptions, sysOptions } from './options.ts';
import { STATE_STEPS } from './session-state.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const EVENTS = 600;
const IN_FLIGHT = 200;
const READ_BYTES = 64 * 1024;

/** Bytes of buffers that are still needed. What one collection finds is freed in the background, and the next waits for that. */
function heldBytes(): number {
  gc();
  gc();
  return process.memoryUsage().arrayBuffers;
}

/** One client on a transport of its own, and how many packets of each type it was sent. */
class Peer extends MemoryTransport {
  readonly sent: number[] = Array.from({ length: 16 }, () => 0);
  #wanted = { type: 0, count: 0, resolve: () => {} };

  override write(pieces: readonly Uint8Array[], onWritten: () => void): void {
    const bytes = Buffer.concat(pieces);
    for (let at = 0; at < bytes.length; at += 2 + bytes[at + 1]!) this.sent[bytes[at]! >> 4]!++;
    onWritten();
    if (this.sent[this.#wanted.type]! >= this.#wanted.count) this.#wanted.resolve();
  }

  say(packet: Packet): void {
    this.onData(generate(packet));
  }

  /** Resolves when so many packets of that type have been sent to it, each shorter than 128 bytes. */
  received(type: number, count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = { type, count, resolve };
      if (this.sent[type]! >= count) resolve();
    });
  }
}

async function connect(broker: Broker, clientId: string): Promise<Peer> {
  const peer = new Peer();
  broker.accept(peer);
  peer.say({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean: true, keepalive: 0 });
  await peer.received(2, 1);
  return peer;
}

for (const [where, topic] of [
  ['journalled', 'mine'],
  ['not journalled', 'live/mine'],
] as const) {
  test(`a reader that acknowledges nothing makes the server hold its own events only, not all that was read with them (${where})`, async () => {
    await using folder = await createTempFolder('hydrant-held');
    const journal = await openJournal(join(folder.path, 'journal'), { journalId: '00000000000000aa' });
    const store = new StateStore(join(folder.path, 'state.db'), { steps: STATE_STEPS });
    const options = {
      sessions: sessionOptions.parse({}),
      limits: limitOptions.parse({ inFlight: IN_FLIGHT }),
      journal: { qos0: true, exclude: ['live/#'] },
      sys: sysOptions.parse({}),
      clients: clientOptions.parse({}),
    };
    const broker = await openBroker({ journal, store, options, version: '0' });
    try {
      const reader = await connect(broker, 'reader');
      reader.say({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] });
      await reader.received(9, 1);
      const publisher = await connect(broker, 'publisher');
      const other = generate({ cmd: 'publish', topic: 'live/other', payload: Buffer.alloc(READ_BYTES), qos: 0, retain: false, dup: false });
      const before = heldBytes();
      for (let i = 1; i <= EVENTS; i++) {
        const event = generate({ cmd: 'publish', topic, payload: `${i}`, qos: 1, retain: false, dup: false, messageId: i });
        publisher.onData(Buffer.concat([event, other]));
      }
      await publisher.received(4, EVENTS);
      await new Promise(setImmediate);
      assert.equal(reader.sent[3], IN_FLIGHT);
      assert.equal(broker.sessions.get('reader')!.queued, EVENTS - IN_FLIGHT);
      const held = heldBytes() - before;
      assert.ok(held < (IN_FLIGHT * READ_BYTES) / 2, `${held} bytes are held`);
    } finally {
      await broker.close();
      await store.close();
      await journal.close();
    }
  });
}
