import type { Dice } from './dice.ts';
import { counted, type Draft, encodeDraft, encodeField, type Field, int16, plain, properties, text } from './draft.ts';
import { type Made, type Maker, makeConnect, makePing, makePublish, makeStrayAck, makeSubscribe, makeUnsubscribe } from './grammar.ts';
import { illegalProperty, singleProperty, wrongValue } from './property-grammar.ts';
import { BAD_FILTERS, BAD_TEXTS, EXTREME_TOPICS } from './values.ts';
import { type Answer, BROKEN, close, OPEN, type Terms, type Verdict } from './verdict.ts';

/** Bytes to send, and what is to come of them. */
export interface Sent {
  what: string;
  bytes: Buffer;
  verdict: Verdict | ((terms: Terms) => Verdict);
  answers: readonly Answer[];
  acknowledges?: number;
}

type Breakage = (maker: Maker) => Sent | undefined;

/** Every way to break the protocol once connected; undefined where it does not apply to this version. */
export const BREAKAGES: Record<string, Breakage> = {
  flags(maker) {
    const { draft, what } = anyPacket(maker);
    // MQTT 3.1 takes DUP, 8 more, on every packet.
    const other = maker.dice.between(1, maker.version === 3 ? 7 : 15);
    const flags = draft.type === 3 ? maker.dice.pick([6, 7, 8, 9, 14, 15]) : (draft.flags + other) & 15;
    return broken(`${what} with flags ${flags}`, { ...draft, flags });
  },
  type({ dice, version }) {
    const type = dice.pick(version === 5 ? [0, 2, 9, 11, 13] : [0, 2, 9, 11, 13, 15]);
    return raw(`packet type ${type}`, Buffer.concat([Buffer.of(type << 4, 2), dice.bytes(2)]));
  },
  auth({ version, dice }) {
    if (version < 5) return undefined;
    const list = dice.chance(50) ? [{ id: 21, bytes: counted('any') }] : [];
    return broken(
      'AUTH',
      { type: 15, flags: 0, fields: [plain('reason', [dice.pick([0x00, 0x18, 0x19])]), ...properties(5, list)] },
      [0x81, 0x82, 0x87, 0x8c],
    );
  },
  'length of five bytes': ({ dice }) => raw('a length of five bytes', Buffer.from([dice.pick([0x30, 0x82, 0x40]), 255, 255, 255, 255, 1])),
  'length beyond every limit': () => raw('a packet of 256 MB', Buffer.from([0x30, 255, 255, 255, 127, 0, 1, 0x61]), close(0x95)),
  'length padded'({ dice }) {
    return raw(
      'PINGREQ with a padded length',
      Buffer.concat([Buffer.of(0xc0), Buffer.alloc(dice.between(1, 2), 0x80), Buffer.of(0)]),
      OPEN,
    );
  },
  'length lies'(maker) {
    const { draft, what } = anyPacket(maker);
    const lie = maker.dice.pick([-5, -2, -1, 1, 2, 5, 200]);
    return broken(`${what}, its length off by ${lie}`, { ...draft, lie }, 'open');
  },
  'field lies'(maker) {
    const { draft, what } = anyPacket(maker);
    const fields = draft.fields.map((field) =>
      field.kind === 'plain' ? field : { ...field, lie: maker.dice.pick([-2, -1, 1, 2, 300, 60_000]) },
    );
    return broken(`${what}, the lengths of its fields off`, { ...draft, fields }, 'open');
  },
  'cut short'(maker) {
    const { draft, what } = anyPacket(maker);
    const body = Buffer.concat(draft.fields.map(encodeField));
    const kept = body.subarray(0, maker.dice.between(0, Math.max(0, body.length - 1)));
    return broken(`${what}, cut to ${kept.length} bytes`, { ...draft, fields: [plain('rest', kept)] }, 'open');
  },
  'SUBSCRIBE without the last byte'(maker) {
    const { draft, what } = makeSubscribe(maker);
    return broken(`${what}, without its last byte`, { ...draft, fields: draft.fields.slice(0, -1) });
  },
  'trailing bytes'({ dice, version }) {
    const type = dice.pick(version === 5 ? [12] : [12, 14, 4, 7]);
    const id = type < 12 ? int16(9) : Buffer.alloc(0);
    return broken(`trailing bytes after type ${type}`, { type, flags: 0, fields: [plain('all', Buffer.concat([id, dice.bytes(3)]))] });
  },
  'fields dropped, doubled or swapped'(maker) {
    const { draft, what } = anyPacket(maker);
    const fields = reorder(maker.dice, draft.fields);
    return broken(`${what}, its fields ${fields.map((field) => field.name).join(', ')}`, { ...draft, fields }, 'open');
  },
  'packet id 0'(maker) {
    const { draft, what } = maker.dice.pick([makeSubscribe, makeUnsubscribe, makeStrayAck, (each: Maker) => makePublish(each, { qos: 1 })])(
      maker,
    );
    return broken(`${what}, but id 0`, replace(draft, 'packet id', plain('packet id', [0, 0])));
  },
  'bad text'(maker) {
    const { draft, what } = maker.dice.pick([makeSubscribe, makeUnsubscribe, makePublish])(maker);
    const bytes = maker.dice.pick(BAD_TEXTS);
    const name = draft.type === 3 ? 'topic' : 'filter';
    return broken(`${what}, but ${name} <${bytes.toString('hex')}>`, replace(draft, name, text(name, bytes)));
  },
  'wildcard in a topic'(maker) {
    const topic = maker.dice.pick(['fuzz/#', '#', '+', 'fuzz/+/a', 'fuzz/a+']);
    const { draft, what } = makePublish(maker, { topic });
    return broken(what, draft, [0x81, 0x82, 0x90]);
  },
  'empty topic'(maker) {
    const { draft, what } = makePublish(maker, { topic: '' });
    return broken(what, draft, [0x81, 0x82, 0x90]);
  },
  'extreme topic'(maker) {
    const { draft, what } = makePublish(maker, { topic: maker.dice.pick(EXTREME_TOPICS), payload: Buffer.alloc(0) });
    return broken(`${what}, extreme`, draft, 'open');
  },
  'property that is not allowed': (maker) => withProperty(maker, 'not allowed', illegalProperty),
  'property twice'(maker) {
    const property = (dice: Dice, place: number) => singleProperty(dice, place);
    return withProperty(maker, 'twice', property, true);
  },
  'property out of range': (maker) => withProperty(maker, 'out of range', wrongValue),
  'topic alias 0'(maker) {
    return alias(maker, 0, 'fuzz/a', close(0x94, 0x82, 0x81));
  },
  'topic alias above the maximum'(maker) {
    return alias(maker, 65_535, 'fuzz/a', (terms) => (terms.topicAliasMaximum < 65_535 ? close(0x94, 0x82) : OPEN));
  },
  'topic alias that nobody set'(maker) {
    return alias(maker, maker.dice.between(1, 9), '', close(0x94, 0x82, 0x81));
  },
  'second CONNECT'(maker) {
    const { draft, what } = makeConnect(maker, { clientId: maker.dice.pick(['', 'second']), clean: true });
    return broken(`a second ${what}`, draft);
  },
  'no filter'({ dice, version, nextId }) {
    return broken('no filter', {
      type: dice.pick([8, 10]),
      flags: 2,
      fields: [plain('packet id', int16(nextId)), ...properties(version, [])],
    });
  },
  'subscription options'(maker) {
    const { dice, version } = maker;
    const { draft } = makeSubscribe(maker, ['fuzz/a']);
    const options = dice.pick(version === 5 ? [3, 7, 0x30, 0x40, 0x80, 0xff] : [3, 4, 8, 0x10, 0x80]);
    return broken(`subscription options 0x${options.toString(16)}`, replace(draft, 'options', plain('options', [options])));
  },
  'no local on a shared subscription'(maker) {
    if (maker.version < 5) return undefined;
    const { draft, what } = makeSubscribe(maker, ['$share/g/fuzz/#']);
    return broken(`${what} with no local`, replace(draft, 'options', plain('options', [5])));
  },
  'bad filter'(maker) {
    const { draft, what } = makeSubscribe(maker, [maker.dice.pick(BAD_FILTERS), 'fuzz/a']);
    return broken(what, draft, 'open');
  },
  'packet id in use'(maker) {
    const { draft, what } = makePublish(maker, { qos: 2 });
    return raw(`${what}, twice`, Buffer.concat([encodeDraft(draft), encodeDraft(draft)]), OPEN);
  },
  'PUBREL at once'(maker) {
    const { draft, what } = makePublish(maker, { qos: 2 });
    const release = encodeDraft({ type: 6, flags: 2, fields: [plain('packet id', int16(maker.nextId - 1))] });
    return raw(`${what} and its PUBREL`, Buffer.concat([encodeDraft(draft), release]), OPEN);
  },
  'more than the receive maximum'(maker) {
    const all = Array.from({ length: 400 }, () =>
      encodeDraft(makePublish(maker, { qos: 2, topic: 'fuzz/a', payload: Buffer.of(1) }).draft),
    );
    return raw('400 PUBLISH QoS 2 at once', Buffer.concat(all), OPEN);
  },
  'expiry in DISCONNECT'({ version }) {
    if (version < 5) return undefined;
    return broken(
      'DISCONNECT with an expiry',
      { type: 14, flags: 0, fields: [plain('reason', [0]), ...properties(5, [{ id: 17, bytes: Buffer.from([0, 0, 0, 9]) }])] },
      'open',
    );
  },
  'payload that is no text'(maker) {
    if (maker.version < 5) return undefined;
    const { draft, what } = makePublish(maker, { payload: Buffer.from([0xff, 0xfe]) });
    return broken(`${what}, said to be text`, replace(draft, 'properties', properties(5, [{ id: 1, bytes: Buffer.of(1) }])[0]!), 'open');
  },
  'random bytes': ({ dice }) => raw('random bytes', dice.bytes(dice.between(1, 200)), OPEN),
};

/** A packet that is whole. */
export function sent({ draft, ...made }: Made): Sent {
  return { ...made, bytes: encodeDraft(draft) };
}

export function raw(what: string, bytes: Buffer, verdict: Sent['verdict'] = BROKEN): Sent {
  return { what, bytes, verdict, answers: [] };
}

/** @param codes what MQTT 5 clients may be told; `open` when the packet may turn out to be a good one */
export function broken(what: string, draft: Draft, codes: number[] | 'open' = [0x81, 0x82]): Sent {
  return raw(what, encodeDraft(draft), codes === 'open' ? OPEN : close(...codes));
}

export function replace(draft: Draft, name: string, by: Field): Draft {
  return { ...draft, fields: draft.fields.map((field) => (field.name === name ? by : field)) };
}

function anyPacket(maker: Maker): Made {
  return maker.dice.pick([makePublish, makePublish, makeSubscribe, makeUnsubscribe, makeStrayAck, makePing])(maker);
}

function withProperty(
  maker: Maker,
  how: string,
  choose: (dice: Dice, place: number) => { id: number; bytes: Buffer } | undefined,
  twice = false,
): Sent | undefined {
  if (maker.version < 5) return undefined;
  const { draft, what } = maker.dice.pick([makePublish, makeSubscribe, makeUnsubscribe])(maker);
  const property = choose(maker.dice, draft.type);
  if (!property) return undefined;
  const list = twice ? [property, property] : [property];
  return broken(`${what}, property ${property.id} ${how}`, replace(draft, 'properties', { kind: 'properties', name: 'properties', list }));
}

function alias(maker: Maker, value: number, topic: string, verdict: Sent['verdict']): Sent | undefined {
  if (maker.version < 5) return undefined;
  const { draft, what } = makePublish(maker, { topic });
  const aliased = replace(draft, 'properties', { kind: 'properties', name: 'properties', list: [{ id: 35, bytes: int16(value) }] });
  return raw(`${what}, topic alias ${value}`, encodeDraft(aliased), verdict);
}

function reorder(dice: Dice, fields: Field[]): Field[] {
  const list = [...fields];
  const at = dice.between(0, Math.max(0, list.length - 1));
  const how = dice.weigh({ drop: 1, double: 1, swap: 1 });
  if (how === 'drop') list.splice(at, 1);
  else if (how === 'double') list.splice(at, 0, ...list.slice(at, at + 1));
  else list.reverse();
  return list;
}
