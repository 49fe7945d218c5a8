import { raw, type Sent, sent } from './breakage.ts';
import type { Dice } from './dice.ts';
import { type Maker, makePing, makePublish, makeStrayAck, makeSubscribe, makeUnsubscribe } from './grammar.ts';
import { OPEN } from './verdict.ts';

type Edit = (dice: Dice, bytes: Buffer, at: number) => Buffer;

const EDITS: readonly Edit[] = [
  function flip(dice, bytes, at) {
    const changed = Buffer.from(bytes);
    changed[at] = changed[at]! ^ (1 << dice.between(0, 7));
    return changed;
  },
  function set(dice, bytes, at) {
    const changed = Buffer.from(bytes);
    changed[at] = dice.pick([0, 1, 0x7f, 0x80, 0xff]);
    return changed;
  },
  (dice, bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + dice.between(1, 4))]),
  (dice, bytes, at) => Buffer.concat([bytes.subarray(0, at), dice.bytes(dice.between(1, 4)), bytes.subarray(at)]),
  (dice, bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - dice.between(1, 30)))]),
];

/** A stream of whole packets with some bytes changed, dropped, added or repeated. */
export function havoc(maker: Maker): Sent {
  const { dice } = maker;
  const packets = Array.from({ length: dice.between(1, 6) }, () =>
    sent(dice.pick([makePublish, makePublish, makeSubscribe, makeUnsubscribe, makeStrayAck, makePing])(maker)),
  );
  let bytes: Buffer = Buffer.concat(packets.map((packet) => packet.bytes));
  for (let edits = dice.between(1, 5); edits > 0; edits--)
    bytes = dice.pick(EDITS)(dice, bytes, dice.between(0, Math.max(0, bytes.length - 1)));
  return raw(`havoc in ${packets.map((packet) => packet.what).join(', ')}`, bytes, OPEN);
}
