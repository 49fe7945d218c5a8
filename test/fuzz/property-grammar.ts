import type { Dice } from './dice.ts';
import { counted, int16, int32, type Property, varint } from './draft.ts';
import { NAMES } from './values.ts';

/** Packet types as in the first byte; 0 stands for the will in a CONNECT. */
type Place = number;

interface Rule {
  places: readonly Place[];
  value(dice: Dice): Buffer;
  /** Values that the standard excludes. */
  bad?: readonly Buffer[];
}

const CONNECT = 1;
const PUBLISH = 3;
const ACKS = [4, 5, 6, 7];
const SUBSCRIBE = 8;
const UNSUBSCRIBE = 10;
const DISCONNECT = 14;
export const WILL = 0;

const number32 = (dice: Dice): Buffer => int32(dice.pick([0, 1, 2, 60, 0xffff_ffff]));
const name = (dice: Dice): Buffer => counted(dice.pick(NAMES));
const flag = (dice: Dice): Buffer => Buffer.of(dice.between(0, 1));
const BAD_FLAGS = [Buffer.of(2), Buffer.of(255)];

/** Properties that a client may send, MQTT 5 §2.2.2.2. Topic aliases, authentication and the payload format are in other hands. */
const RULES: Record<number, Rule> = {
  2: { places: [PUBLISH, WILL], value: number32 },
  3: { places: [PUBLISH, WILL], value: name },
  8: { places: [PUBLISH, WILL], value: () => counted('fuzz/reply'), bad: [counted('fuzz/+'), counted('#')] },
  9: { places: [PUBLISH, WILL], value: (dice) => counted(dice.bytes(dice.pick([0, 1, 500]))) },
  11: { places: [SUBSCRIBE], value: (dice) => varint(dice.pick([1, 127, 128, 268_435_455])), bad: [varint(0)] },
  17: { places: [CONNECT], value: number32 },
  23: { places: [CONNECT], value: flag, bad: BAD_FLAGS },
  24: { places: [WILL], value: number32 },
  25: { places: [CONNECT], value: flag, bad: BAD_FLAGS },
  31: { places: [...ACKS, DISCONNECT], value: name },
  33: { places: [CONNECT], value: (dice) => int16(dice.pick([1, 2, 5, 65_535])), bad: [int16(0)] },
  34: { places: [CONNECT], value: (dice) => int16(dice.pick([0, 1, 2, 65_535])) },
  38: {
    places: [WILL, CONNECT, PUBLISH, ...ACKS, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT],
    value: (dice) => Buffer.concat([name(dice), name(dice)]),
  },
  39: { places: [CONNECT], value: (dice) => int32(dice.pick([200, 4000, 268_435_460])), bad: [int32(0)] },
};

/** Only a server sends these, or nobody does. */
const NEVER: Property[] = [
  { id: 18, bytes: counted('id') },
  { id: 19, bytes: int16(1) },
  { id: 26, bytes: counted('info') },
  { id: 28, bytes: counted('other') },
  { id: 36, bytes: Buffer.of(1) },
  { id: 40, bytes: Buffer.of(1) },
  { id: 0, bytes: Buffer.alloc(0) },
  { id: 4, bytes: Buffer.of(1) },
  { id: 43, bytes: Buffer.of(1) },
  { id: 200, bytes: int16(1) },
];

/** Some of the properties that may stand there, each once; user properties as often as they like. */
export function someProperties(dice: Dice, place: Place): Property[] {
  if (dice.chance(50)) return [];
  const list = ruled(place)
    .filter(() => dice.chance(35))
    .map((id) => ({ id, bytes: RULES[id]!.value(dice) }));
  if (dice.chance(15)) for (let more = dice.pick([1, 3, 40]); more > 0; more--) list.push({ id: 38, bytes: RULES[38]!.value(dice) });
  return list;
}

/** One that must not stand there. */
export function illegalProperty(dice: Dice, place: Place): Property {
  const elsewhere = Object.keys(RULES)
    .map(Number)
    .filter((id) => !RULES[id]!.places.includes(place));
  if (dice.chance(50) || elsewhere.length === 0) return dice.pick(NEVER);
  const id = dice.pick(elsewhere);
  return { id, bytes: RULES[id]!.value(dice) };
}

/** One that may stand there once, and is to be sent twice. */
export function singleProperty(dice: Dice, place: Place): Property | undefined {
  const ids = ruled(place).filter((id) => id !== 38);
  if (ids.length === 0) return undefined;
  const id = dice.pick(ids);
  return { id, bytes: RULES[id]!.value(dice) };
}

/** One that may stand there, with a value that it must not have. */
export function wrongValue(dice: Dice, place: Place): Property | undefined {
  const ids = ruled(place).filter((id) => RULES[id]!.bad);
  if (ids.length === 0) return undefined;
  const id = dice.pick(ids);
  return { id, bytes: dice.pick(RULES[id]!.bad!) };
}

function ruled(place: Place): number[] {
  return Object.keys(RULES)
    .map(Number)
    .filter((id) => RULES[id]!.places.includes(place));
}
