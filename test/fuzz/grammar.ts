import type { Dice } from './dice.ts';
import { binary, type Draft, type Field, int16, plain, properties, text } from './draft.ts';
import { someProperties, WILL } from './property-grammar.ts';
import { FILTERS, RESERVED_TOPICS, STRANGE_FILTERS, TOPICS } from './values.ts';
import { type Answer, FINE, OPEN, type Verdict } from './verdict.ts';

export type Version = 3 | 4 | 5;

/** A packet, what is to come of it, and what it is in words. */
export interface Made {
  what: string;
  draft: Draft;
  verdict: Verdict;
  answers: Answer[];
  /** The delivery with this packet identifier, should there be one, ends with it. */
  acknowledges?: number;
}

/** What one connection has used up while its packets are made. */
export interface Maker {
  dice: Dice;
  version: Version;
  nextId: number;
}

export interface ConnectWish {
  clientId: string;
  clean: boolean;
  keepAlive?: number;
}

export function makeConnect({ dice, version }: Maker, { clientId, clean, keepAlive = dice.pick([0, 0, 600, 65_535]) }: ConnectWish): Made {
  const will = dice.chance(30);
  const user = dice.chance(4);
  const password = user && dice.chance(50);
  const flags =
    (clean ? 2 : 0) | (will ? 4 | (dice.between(0, 2) << 3) | (dice.chance(30) ? 32 : 0) : 0) | (user ? 128 : 0) | (password ? 64 : 0);
  const fields: Field[] = [
    text('protocol name', version === 3 ? 'MQIsdp' : 'MQTT'),
    plain('level', [version]),
    plain('connect flags', [flags]),
    plain('keep alive', int16(keepAlive)),
    ...properties(version, someProperties(dice, 1)),
    text('client id', clientId),
  ];
  if (will) {
    if (version === 5) fields.push({ kind: 'properties', name: 'will properties', list: someProperties(dice, WILL) });
    const reserved = dice.chance(15);
    fields.push(
      text('will topic', dice.pick(reserved ? RESERVED_TOPICS : TOPICS)),
      binary('will payload', makePayload(dice).subarray(0, 65_535)),
    );
  }
  if (user) fields.push(text('user name', 'nobody'));
  if (password) fields.push(binary('password', Buffer.from('secret')));
  // Accounts, and wills on topics that are the server's own, are refused or not as the server likes.
  const isFree = user || fields.some((field) => field.kind === 'text' && field.name === 'will topic' && field.bytes[0] === 0x24);
  return {
    what: `CONNECT ${version} ${JSON.stringify(clientId)}${clean ? ' clean' : ''}${will ? ' will' : ''}`,
    draft: { type: 1, flags: 0, fields },
    verdict: isFree ? OPEN : FINE,
    answers: [{ key: 'connack' }],
  };
}

export interface PublishWish {
  topic?: string;
  qos?: number;
  payload?: Buffer;
}

export function makePublish(maker: Maker, wish: PublishWish = {}): Made {
  const { dice, version } = maker;
  const qos = wish.qos ?? dice.between(0, 2);
  const topic = wish.topic ?? dice.pick(dice.chance(8) ? RESERVED_TOPICS : TOPICS);
  const id = qos > 0 ? maker.nextId++ : 0;
  const flags = (qos << 1) | (dice.chance(15) ? 1 : 0) | (qos > 0 && dice.chance(8) ? 8 : 0);
  const fields: Field[] = [text('topic', topic)];
  if (qos > 0) fields.push(plain('packet id', int16(id)));
  fields.push(...properties(version, someProperties(dice, 3)), plain('payload', wish.payload ?? makePayload(dice)));
  return {
    what: `PUBLISH ${topic.slice(0, 40)} QoS ${qos}${id ? ` id ${id}` : ''}`,
    draft: { type: 3, flags, fields },
    verdict: FINE,
    answers: qos === 0 ? [] : qos === 1 ? [{ key: `puback ${id}` }] : [{ key: `pubrec ${id}` }, { key: `pubcomp ${id}` }],
  };
}

export function makeSubscribe(maker: Maker, filters = pickFilters(maker.dice)): Made {
  const { dice, version } = maker;
  const id = maker.nextId++;
  const fields: Field[] = [plain('packet id', int16(id)), ...properties(version, someProperties(dice, 8))];
  const codes: (number | undefined)[] = [];
  for (const filter of filters) {
    const qos = dice.between(0, 2);
    const noLocal = version === 5 && !filter.includes('$share/') && dice.chance(30);
    const options = version === 5 ? qos | (noLocal ? 4 : 0) | (dice.chance(30) ? 8 : 0) | (dice.between(0, 2) << 4) : qos;
    fields.push(text('filter', filter), plain('options', [options]));
    codes.push(FILTERS.includes(filter) ? qos : undefined);
  }
  return {
    what: `SUBSCRIBE ${filters.map((filter) => filter.slice(0, 40)).join(' ')} id ${id}`,
    draft: { type: 8, flags: 2, fields },
    verdict: FINE,
    answers: [{ key: `suback ${id}`, codes }],
  };
}

export function makeUnsubscribe(maker: Maker): Made {
  const { dice, version } = maker;
  const id = maker.nextId++;
  const filters = pickFilters(dice);
  return {
    what: `UNSUBSCRIBE ${filters.map((filter) => filter.slice(0, 40)).join(' ')} id ${id}`,
    draft: {
      type: 10,
      flags: 2,
      fields: [
        plain('packet id', int16(id)),
        ...properties(version, someProperties(dice, 10)),
        ...filters.map((filter) => text('filter', filter)),
      ],
    },
    verdict: FINE,
    answers: [{ key: `unsuback ${id}`, ...(version === 5 ? { codes: filters.map(() => undefined) } : {}) }],
  };
}

const ACKS = { 4: 'PUBACK', 5: 'PUBREC', 6: 'PUBREL', 7: 'PUBCOMP' } as const;

/** An acknowledgement of something that was never sent. */
export function makeStrayAck({ dice, version }: Maker): Made {
  const type = dice.pick([4, 5, 6, 7] as const);
  const id = dice.pick(type === 6 ? [60_000, 65_535] : [1, 2, 7, 65_535]);
  const refused = version === 5 && (type === 4 || type === 5) && dice.chance(20);
  const fields: Field[] = [plain('packet id', int16(id))];
  if (refused || (version === 5 && dice.chance(40))) {
    fields.push(plain('reason', [refused ? 0x80 : type >= 6 ? 0x92 : 0x10]));
    if (dice.chance(50)) fields.push(...properties(version, someProperties(dice, type)));
  }
  const answer = type === 6 ? [{ key: `pubcomp ${id}` }] : [];
  return {
    what: `stray ${ACKS[type]} id ${id}`,
    draft: { type, flags: type === 6 ? 2 : 0, fields },
    verdict: FINE,
    answers: answer,
    acknowledges: id,
  };
}

export function makePing(): Made {
  return { what: 'PINGREQ', draft: { type: 12, flags: 0, fields: [] }, verdict: FINE, answers: [{ key: 'pingresp' }] };
}

export function makeDisconnect({ dice, version }: Maker): Made {
  const fields: Field[] = [];
  if (version === 5 && dice.chance(60)) {
    fields.push(plain('reason', [dice.pick([0x00, 0x04, 0x80])]));
    if (dice.chance(50)) fields.push(...properties(version, someProperties(dice, 14)));
  }
  return { what: 'DISCONNECT', draft: { type: 14, flags: 0, fields }, verdict: { kind: 'goodbye' }, answers: [] };
}

function pickFilters(dice: Dice): string[] {
  return Array.from({ length: dice.pick([1, 1, 1, 2, 3, 12]) }, () => dice.pick(dice.chance(20) ? STRANGE_FILTERS : FILTERS));
}

export function makePayload(dice: Dice): Buffer {
  const kind = dice.weigh({ empty: 15, short: 45, bytes: 25, long: 12, longest: 3 });
  if (kind === 'empty') return Buffer.alloc(0);
  if (kind === 'short') return Buffer.from('payload');
  if (kind === 'bytes') return dice.bytes(dice.between(1, 120));
  return Buffer.alloc(kind === 'long' ? dice.pick([127, 128, 4096, 16_384]) : 100_000, 0x79);
}
