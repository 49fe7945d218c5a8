import { HydrantError } from '../core/errors.ts';
import { parseJson } from '../core/objects.ts';
import type { StoredEvent } from '../wire/event.ts';

/** What `sub -F` may print of one message. */
export interface FormatInput {
  event: StoredEvent;
  messageId: number;
  subscriptionIds: readonly number[];
}

type Part = (input: FormatInput) => string | Uint8Array;

/**
 * Compiles mosquitto_sub's `-F`: `%t` topic, `%p` payload, `%x` `%X` payload in hex, `%l` its length, `%q` QoS, `%r` retain, `%m` packet id,
 * `%I` time (ISO 8601), `%U` time (Unix seconds), `%j` `%J` all as JSON with the payload as text or JSON, `%F` `%C` `%D` `%E` `%P` `%R` `%S`
 * the MQTT 5 properties, `%%` `%`; `\n` `\t` `\r` `\0` `\e` `\\` as in C.
 * @throws HYD_USAGE for a letter that stands for nothing
 */
export function compileFormat(format: string): (input: FormatInput) => Buffer {
  const parts: (Part | string)[] = [];
  for (let at = 0; at < format.length; at++) {
    const character = format[at]!;
    if (character === '\\') parts.push(ESCAPES[format[++at] ?? ''] ?? unknown(`\\${format[at] ?? ''}`));
    else if (character === '%') parts.push(PARTS[format[++at] ?? ''] ?? unknown(`%${format[at] ?? ''}`));
    else parts.push(character);
  }
  return (input) =>
    Buffer.concat(
      parts.map((part) => {
        const value = typeof part === 'string' ? part : part(input);
        return typeof value === 'string' ? Buffer.from(value) : value;
      }),
    );
}

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', '0': '\0', a: '\x07', e: '\x1b', v: '\v', '\\': '\\' };

const PARTS: Record<string, Part> = {
  '%': () => '%',
  t: ({ event }) => event.topic,
  p: ({ event }) => event.payload,
  x: ({ event }) => Buffer.from(event.payload).toString('hex'),
  X: ({ event }) => Buffer.from(event.payload).toString('hex').toUpperCase(),
  l: ({ event }) => String(event.payload.length),
  q: ({ event }) => String(event.qos),
  r: ({ event }) => (event.retain ? '1' : '0'),
  m: ({ messageId }) => String(messageId),
  I: ({ event }) => event.ts,
  U: ({ event }) => (Date.parse(event.ts) / 1000).toFixed(3),
  j: (input) => JSON.stringify({ ...described(input), payload: Buffer.from(input.event.payload).toString() }),
  J: (input) => JSON.stringify({ ...described(input), payload: parseJson(input.event.payload) ?? null }),
  F: ({ event }) => String(event.props?.format ?? ''),
  C: ({ event }) => event.contentType ?? '',
  D: ({ event }) => Buffer.from(event.props?.correlation ?? '', 'base64'),
  E: ({ event }) => String(event.props?.expiry ?? ''),
  P: ({ event }) => (event.props?.user ?? []).map(([name, value]) => `${name}:${value}`).join(' '),
  R: ({ event }) => event.props?.reply ?? '',
  S: ({ subscriptionIds }) => subscriptionIds.join(' '),
};

function described({ event, messageId }: FormatInput): Record<string, unknown> {
  return {
    tst: event.ts,
    topic: event.topic,
    qos: event.qos,
    retain: event.retain ? 1 : 0,
    payloadlen: event.payload.length,
    ...(event.qos > 0 && { mid: messageId }),
  };
}

function unknown(text: string): never {
  throw new HydrantError('HYD_USAGE', `-F: ${text} stands for nothing`, {
    fix: 'Use %t %p %x %X %l %q %r %m %I %U %j %J %F %C %D %E %P %R %S or %%, and \\n \\t \\r \\0 \\e \\\\.',
  });
}
