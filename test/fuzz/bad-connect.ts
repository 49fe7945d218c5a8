import { broken, raw, replace, type Sent } from './breakage.ts';
import { binary, counted, type Draft, encodeDraft, encodeField, plain, text } from './draft.ts';
import { type Maker, makeConnect, makePing, makePublish, makeStrayAck, makeSubscribe } from './grammar.ts';
import { illegalProperty, singleProperty, wrongValue } from './property-grammar.ts';
import { BAD_TEXTS } from './values.ts';
import { close } from './verdict.ts';

type BadConnect = (maker: Maker, clientId: string) => Sent | undefined;

const MALFORMED = [0x81, 0x82];

/** Every way to begin a connection wrongly. */
export const BAD_CONNECTS: Record<string, BadConnect> = {
  'another packet first'(maker) {
    const { draft, what } = maker.dice.pick([makePublish, makeSubscribe, makeStrayAck, makePing])(maker);
    return broken(`${what} first`, draft);
  },
  'another protocol'({ dice }) {
    const hello = dice.pick(['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'SSH-2.0-OpenSSH_9.2\r\n', '\u0016\u0003\u0001\u0002\u0000\u0001', '\n']);
    return raw(`another protocol: ${JSON.stringify(hello)}`, Buffer.from(hello, 'latin1'));
  },
  'protocol name'(maker, clientId) {
    const name = maker.dice.pick(['MQTX', 'mqtt', '', 'MQIsdpx', '\u0000MQT']);
    return changed(maker, clientId, `protocol name ${JSON.stringify(name)}`, [0x81, 0x82, 0x84], (draft) =>
      replace(draft, 'protocol name', text('protocol name', name)),
    );
  },
  level(maker, clientId) {
    const level = maker.dice.pick([0, 1, 2, 6, 127]);
    return changed(maker, clientId, `level ${level}`, [0x81, 0x82, 0x84], (draft) => replace(draft, 'level', plain('level', [level])));
  },
  flags(maker, clientId) {
    const flags = maker.dice.pick([0x03, 0x0a, 0x12, 0x22, 0x1e, ...(maker.version < 5 ? [0x42] : [])]);
    return changed(maker, clientId, `connect flags 0x${flags.toString(16)}`, MALFORMED, (draft) =>
      replace(draft, 'connect flags', plain('connect flags', [flags])),
    );
  },
  'client id that is no text'(maker, clientId) {
    const bytes = maker.dice.pick(BAD_TEXTS);
    return changed(maker, clientId, `client id <${bytes.toString('hex')}>`, [...MALFORMED, 0x85], (draft) =>
      replace(draft, 'client id', text('client id', bytes)),
    );
  },
  'will topic'(maker, clientId) {
    const topic = maker.dice.pick([...BAD_TEXTS, Buffer.from(''), Buffer.from('fuzz/#'), Buffer.from('+')]);
    return changed(maker, clientId, `will topic <${topic.toString('hex')}>`, [...MALFORMED, 0x90], (draft) =>
      withWill(draft, maker, topic),
    );
  },
  'no client id and no clean session'(maker) {
    if (maker.version === 5) return undefined;
    return broken('CONNECT without client id', makeConnect(maker, { clientId: '', clean: false }).draft);
  },
  'property that is not allowed': (maker, clientId) => withProperty(maker, clientId, illegalProperty(maker.dice, 1)),
  'property twice': (maker, clientId) => withProperty(maker, clientId, singleProperty(maker.dice, 1), true),
  'property out of range': (maker, clientId) => withProperty(maker, clientId, wrongValue(maker.dice, 1)),
  'unknown authentication method': (maker, clientId) =>
    withProperty(maker, clientId, { id: 21, bytes: counted('nonsense') }, false, [0x82, 0x87, 0x8c]),
  'authentication data alone': (maker, clientId) => withProperty(maker, clientId, { id: 22, bytes: counted('x') }),
  'too long'(maker, clientId) {
    const list = Array.from({ length: 200 }, () => ({
      id: 38,
      bytes: Buffer.concat([counted('k'.repeat(500)), counted('v'.repeat(500))]),
    }));
    if (maker.version < 5) return undefined;
    return changed(maker, clientId, 'CONNECT of 200 kB', [0x95], (draft) =>
      replace(draft, 'properties', { kind: 'properties', name: 'properties', list }),
    );
  },
  'trailing bytes': (maker, clientId) =>
    changed(maker, clientId, 'trailing bytes', MALFORMED, (draft) => ({ ...draft, fields: [...draft.fields, plain('more', [0])] })),
  'cut short'(maker, clientId) {
    const { draft } = makeConnect(maker, { clientId, clean: true });
    const body = Buffer.concat(draft.fields.map(encodeField));
    const kept = body.subarray(0, maker.dice.between(0, body.length - 1));
    return broken(`CONNECT cut to ${kept.length} bytes`, { ...draft, fields: [plain('rest', kept)] }, [...MALFORMED, 0x84]);
  },
  'half of it, then silence'(maker, clientId) {
    const bytes = encodeDraft(makeConnect(maker, { clientId, clean: true }).draft);
    const half = bytes.subarray(0, maker.dice.between(0, Math.min(bytes.length - 1, 60)));
    return raw(`${half.length} bytes of CONNECT, then silence`, half, close(0x80));
  },
  'flags of the fixed header'(maker, clientId) {
    const flags = maker.dice.between(1, 15);
    return changed(maker, clientId, `fixed header flags ${flags}`, MALFORMED, (draft) => ({ ...draft, flags }));
  },
};

function changed(maker: Maker, clientId: string, what: string, codes: number[], change: (draft: Draft) => Draft): Sent {
  const whole = makeConnect(maker, { clientId, clean: true });
  // Its will may be on a topic of the server, which is another reason.
  return broken(`CONNECT ${maker.version}, ${what}`, change(whole.draft), [...codes, 0x90]);
}

function withProperty(
  maker: Maker,
  clientId: string,
  property: { id: number; bytes: Buffer } | undefined,
  twice = false,
  codes = MALFORMED,
): Sent | undefined {
  if (maker.version < 5 || !property) return undefined;
  return changed(maker, clientId, `property ${property.id}${twice ? ' twice' : ''}`, codes, (draft) =>
    replace(draft, 'properties', { kind: 'properties', name: 'properties', list: twice ? [property, property] : [property] }),
  );
}

/** A CONNECT that has a will on this topic and neither user nor password. */
function withWill(draft: Draft, { version }: Maker, topic: Buffer): Draft {
  const head = draft.fields.slice(0, draft.fields.findIndex((field) => field.name === 'client id') + 1);
  const will = [text('will topic', topic), binary('will payload', Buffer.of(1))];
  const list = version === 5 ? [{ kind: 'properties' as const, name: 'will properties', list: [] }] : [];
  return replace({ ...draft, fields: [...head, ...list, ...will] }, 'connect flags', plain('connect flags', [0x06]));
}
