import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodePacket } from '../../src/mqtt/decode.ts';
import { PacketFault } from '../../src/mqtt/fault.ts';
import { Framer } from '../../src/mqtt/framing.ts';
import { checkHeader } from '../../src/mqtt/header.ts';
import type { Packet } from '../../src/mqtt/packet.ts';
import { createRandom } from '../../src/testing/random.ts';
import { BREAKAGES, sent } from './breakage.ts';
import { Dice } from './dice.ts';
import { type Maker, makeConnect, makeDisconnect, makePing, makePublish, makeStrayAck, makeSubscribe, makeUnsubscribe } from './grammar.ts';
import { havoc } from './havoc.ts';

const ROUNDS = 20_000;
const { seed } = createRandom('decoder');
const MAKERS = [
  (maker: Maker) => makeConnect(maker, { clientId: 'c', clean: true }),
  makePublish,
  makeSubscribe,
  makeUnsubscribe,
  makeStrayAck,
  makeDisconnect,
  makePing,
];

/** What the bytes decode to, in the server; a fault ends it. @throws what is no fault of a peer */
function decode(bytes: Buffer, version: 3 | 4 | 5): Packet[] {
  const packets: Packet[] = [];
  const dialect = { version, bridge: false, end: 'server' } as const;
  const framer = new Framer(1_000_000, {
    checkHeader: (first) => checkHeader(first, dialect, first >> 4 !== 1),
    onFrame: (frame, at) => void packets.push(decodePacket(frame, at, dialect)),
  });
  framer.push(bytes);
  return packets;
}

function rounds(look: (maker: Maker, round: number) => void): void {
  for (let round = 0; round < ROUNDS; round++) {
    const dice = new Dice(seed, round);
    look({ dice, version: dice.pick([3, 4, 5]), nextId: 1 }, round);
  }
}

test('every packet that the grammar makes decodes to one of its kind', () => {
  rounds((maker, round) => {
    const { bytes, what } = sent(maker.dice.pick(MAKERS)(maker));
    const packets = decode(bytes, maker.version);
    assert.equal(packets.length, 1, `round ${round}: ${what}`);
    assert.ok(what.toLowerCase().includes(packets[0]!.cmd), `round ${round}: ${what} is a ${packets[0]!.cmd}`);
  });
});

test('bytes that are broken in any way end in packets or a fault of the peer, never in another error', () => {
  const names = Object.keys(BREAKAGES);
  let faults = 0;
  rounds((maker, round) => {
    const broken = maker.dice.chance(50) ? BREAKAGES[maker.dice.pick(names)]!(maker) : havoc(maker);
    try {
      if (broken) decode(broken.bytes, maker.version);
    } catch (error) {
      assert.ok(error instanceof PacketFault, `round ${round}, ${broken!.what}: ${(error as Error).stack}`);
      faults++;
    }
  });
  assert.ok(faults > ROUNDS / 4, `${faults} faults in ${ROUNDS} rounds`);
});
