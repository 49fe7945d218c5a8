import { BAD_CONNECTS } from './bad-connect.ts';
import { BREAKAGES, raw, type Sent, sent } from './breakage.ts';
import { Dice } from './dice.ts';
import type { Draft } from './draft.ts';
import {
  type Maker,
  makeConnect,
  makeDisconnect,
  makePing,
  makePublish,
  makeStrayAck,
  makeSubscribe,
  makeUnsubscribe,
  type Version,
} from './grammar.ts';
import { havoc } from './havoc.ts';
import { close, OPEN } from './verdict.ts';
import { FRAME_FAULTS } from './websocket-frames.ts';

/** How a peer answers the events it is sent: at once, never, late and in the wrong order, twice, or with the wrong packets. */
export type Reaction = 'prompt' | 'never' | 'late' | 'twice' | 'refusing' | 'wrong';

export type Step =
  /** `cuts`: where the bytes are divided into writes; `joined`: they wait for those of the next step. */
  | { do: 'send'; sent: Sent; cuts: number[]; joined: boolean }
  /** Bytes beside the websocket frames. */
  | { do: 'frame'; sent: Sent }
  /** Every answer due has come. */
  | { do: 'settle' }
  | { do: 'pause' }
  | { do: 'resume' }
  /** The server closes by itself. */
  | { do: 'await close' }
  | { do: 'half-close' }
  | { do: 'reset' }
  | { do: 'cut' };

/** One connection of a peer; it is left open when no step ends it. */
export interface Life {
  door: 'mqtt' | 'ws';
  version: Version;
  clientId: string;
  clean: boolean;
  reaction: Reaction;
  /** What the CONNECT asked the server to keep to. */
  receiveMaximum: number;
  maximumPacketSize: number;
  topicAliasMaximum: number;
  steps: Step[];
}

/** A few peers that share client ids, each with one connection after the other. */
export interface Case {
  seed: number;
  index: number;
  peers: Life[][];
}

const MOST_CUTS = 400;

/** The same seed and index make the same case. */
export function makeCase(seed: number, index: number): Case {
  const dice = new Dice(seed, index);
  const ids = [`f${index}a`, ...(dice.chance(40) ? [`f${index}b`] : [])];
  const peers = Array.from({ length: dice.between(1, 4) }, () =>
    Array.from({ length: dice.between(1, 3) }, () => makeLife(dice, dice.pick(ids))),
  );
  return { seed, index, peers };
}

function makeLife(dice: Dice, id: string): Life {
  const version = Number(dice.weigh({ 3: 15, 4: 40, 5: 45 })) as Version;
  const maker: Maker = { dice, version, nextId: 1 };
  const clean = dice.chance(50);
  const nameless = clean && version > 3 && dice.chance(5);
  const door = dice.chance(25) ? 'ws' : 'mqtt';
  const life: Life = {
    door,
    version,
    clientId: nameless ? '' : id,
    clean,
    reaction: dice.weigh({ prompt: 50, never: 15, late: 10, twice: 10, refusing: 7, wrong: 8 }),
    receiveMaximum: 65_535,
    maximumPacketSize: Number.POSITIVE_INFINITY,
    topicAliasMaximum: 0,
    steps: [],
  };
  const plan = dice.weigh({ good: 40, broken: 35, 'bad connect': 12, havoc: 10, silent: 1, frames: door === 'ws' ? 8 : 0 });
  if (plan === 'bad connect') addBadConnect(life, maker);
  else {
    addConnect(life, maker, plan === 'silent' ? 1 : undefined);
    for (let more = dice.between(0, 8); more > 0; more--) addGood(life, maker);
    if (plan === 'silent') addSilence(life, dice);
    else if (plan === 'broken') addBroken(life, maker);
    else if (plan === 'havoc') add(life, dice, havoc(maker));
    else if (plan === 'frames') addFrame(life, dice);
    if (plan !== 'silent') addEnding(life, maker);
  }
  return life;
}

function addConnect(life: Life, maker: Maker, keepAlive?: number): void {
  const made = makeConnect(maker, { clientId: life.clientId, clean: life.clean, keepAlive });
  life.receiveMaximum = property(made.draft, 33) ?? life.receiveMaximum;
  life.maximumPacketSize = property(made.draft, 39) ?? life.maximumPacketSize;
  life.topicAliasMaximum = property(made.draft, 34) ?? 0;
  add(life, maker.dice, sent(made));
  if (keepAlive || maker.dice.chance(60)) life.steps.push({ do: 'settle' });
}

function addGood(life: Life, maker: Maker): void {
  const { dice } = maker;
  const kind = dice.weigh({ publish: 38, subscribe: 24, unsubscribe: 6, ping: 8, stray: 7, flood: 4, settle: 8, pause: 3, resume: 3 });
  if (kind === 'settle' || kind === 'pause' || kind === 'resume') life.steps.push({ do: kind });
  else if (kind === 'publish') add(life, dice, sent(makePublish(maker)));
  else if (kind === 'subscribe') add(life, dice, sent(makeSubscribe(maker)));
  else if (kind === 'unsubscribe') add(life, dice, sent(makeUnsubscribe(maker)));
  else if (kind === 'ping') add(life, dice, sent(makePing()));
  else if (kind === 'stray') add(life, dice, sent(makeStrayAck(maker)));
  else addFlood(life, maker);
}

function addFlood(life: Life, maker: Maker): void {
  const { dice } = maker;
  const qos = dice.between(0, 2);
  const all = Array.from({ length: dice.pick([20, 60]) }, () =>
    sent(dice.chance(80) ? makePublish(maker, { qos, topic: dice.pick(['fuzz/a', 'fuzz/x/a']) }) : makePing()),
  );
  add(life, dice, {
    what: `a flood of ${all.length}`,
    bytes: Buffer.concat(all.map((each) => each.bytes)),
    verdict: { kind: 'fine' },
    answers: all.flatMap((each) => each.answers),
  });
  life.steps.push({ do: 'settle' });
}

function addBroken(life: Life, maker: Maker): void {
  const names = Object.keys(BREAKAGES);
  let breakage: Sent | undefined;
  while (!breakage) breakage = BREAKAGES[maker.dice.pick(names)]!(maker);
  add(life, maker.dice, breakage);
  const closes = typeof breakage.verdict === 'object' && breakage.verdict.kind === 'close';
  if (maker.dice.chance(30)) add(life, maker.dice, { ...sent(makePublish(maker)), verdict: OPEN, answers: [] });
  if (closes) life.steps.push({ do: 'await close' });
}

function addBadConnect(life: Life, maker: Maker): void {
  const names = Object.keys(BAD_CONNECTS);
  let bad: Sent | undefined;
  while (!bad) bad = BAD_CONNECTS[maker.dice.pick(names)]!(maker, life.clientId);
  add(life, maker.dice, bad);
  life.steps.push({ do: 'await close' });
}

function addFrame(life: Life, dice: Dice): void {
  const { what, bytes, codes } = dice.pick(FRAME_FAULTS);
  life.steps.push({ do: 'settle' }, { do: 'frame', sent: raw(what, bytes, close(...codes)) }, { do: 'await close' });
}

function addSilence(life: Life, dice: Dice): void {
  life.reaction = 'never';
  life.steps.push({ do: 'settle' });
  add(life, dice, raw('silence', Buffer.alloc(0), close(0x8d)));
  life.steps.push({ do: 'await close' });
}

function addEnding(life: Life, maker: Maker): void {
  const { dice } = maker;
  if (dice.chance(60)) life.steps.push({ do: 'settle' });
  const ending = dice.weigh({ goodbye: 35, 'goodbye and more': 5, cut: 15, reset: 15, 'half-close': 10, 'half a packet': 5, stay: 15 });
  if (ending === 'cut' || ending === 'reset' || ending === 'half-close') life.steps.push({ do: ending });
  if (ending === 'half a packet') {
    const { what, bytes } = sent(makePublish(maker));
    add(life, dice, raw(`half of ${what}`, bytes.subarray(0, bytes.length >> 1), OPEN));
    life.steps.push({ do: dice.pick(['cut', 'reset', 'half-close'] as const) });
  }
  if (!ending.startsWith('goodbye')) return;
  add(life, dice, sent(makeDisconnect(maker)));
  if (ending === 'goodbye and more') add(life, dice, { ...sent(makePublish(maker)), verdict: { kind: 'goodbye' }, answers: [] });
  life.steps.push({ do: 'await close' });
}

function add(life: Life, dice: Dice, sent: Sent): void {
  life.steps.push({ do: 'send', sent, cuts: makeCuts(dice, sent.bytes.length), joined: dice.chance(20) });
}

function makeCuts(dice: Dice, length: number): number[] {
  const how = dice.weigh({ whole: 60, some: 30, bytes: 10 });
  if (how === 'whole' || length < 2) return [];
  if (how === 'bytes' && length <= MOST_CUTS) return Array.from({ length: length - 1 }, (_, at) => at + 1);
  return Array.from({ length: dice.between(1, 4) }, () => dice.between(1, length - 1)).sort((a, b) => a - b);
}

/** A number among the properties of a CONNECT. */
function property(draft: Draft, id: number): number | undefined {
  for (const field of draft.fields) {
    const found = field.kind === 'properties' && field.name === 'properties' ? field.list.find((each) => each.id === id) : undefined;
    if (found) return found.bytes.readUIntBE(0, found.bytes.length);
  }
  return undefined;
}
