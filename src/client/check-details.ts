import { HydrantError } from '../core/errors.ts';
import type { EventProps } from '../wire/event.ts';
import type { PublishRequest } from './options.ts';

const MAX_TEXT_BYTES = 65_535;
const MAX_ID = 85;
/** What MQTT 5 can say, §3.3.2.3.3: seconds in 32 bits. */
const MAX_TTL_MS = 4_294_967_295_000;
const KNOWN: readonly (keyof EventProps)[] = ['time', 'format', 'expiry', 'reply', 'correlation', 'user'];

/**
 * What an event says of itself beside topic and payload: plain JavaScript may give anything, and what no packet can carry would hold up its
 * channel for ever.
 * @throws HYD_USAGE, naming what is at fault
 */
export function assertDetails({ topic, id, qos, retain, channel, contentType, ttlMs, props }: Omit<PublishRequest, 'payload'>): void {
  if (id !== undefined && !(typeof id === 'string' && id.length > 0 && id.length <= MAX_ID))
    throw wrong(topic, 'id', id, `a text of 1 to ${MAX_ID} characters`);
  if (qos !== undefined && qos !== 0 && qos !== 1 && qos !== 2) throw wrong(topic, 'qos', qos, '0, 1 or 2');
  if (channel !== undefined && !(typeof channel === 'string' && channel !== ''))
    throw wrong(topic, 'channel', channel, 'the name of a channel');
  if (retain !== undefined && typeof retain !== 'boolean') throw wrong(topic, 'retain', retain, 'true or false');
  if (ttlMs !== undefined && !(typeof ttlMs === 'number' && ttlMs >= 0 && ttlMs <= MAX_TTL_MS))
    throw wrong(topic, 'ttlMs', ttlMs, `milliseconds from 0 to ${MAX_TTL_MS}, or leave it out for an event that is wanted for ever`);
  if (contentType !== undefined && !isText(contentType)) throw wrong(topic, 'contentType', contentType, 'a text such as application/json');
  if (props !== undefined) assertProps(topic, props);
}

function assertProps(topic: string, props: EventProps): void {
  if (typeof props !== 'object' || props === null) throw wrong(topic, 'props', props, 'an object');
  for (const key in props)
    if (!(KNOWN as readonly string[]).includes(key)) throw wrong(topic, 'props', key, `an object of ${KNOWN.join(', ')}`);
  const { time, format, expiry, reply, correlation, user } = props;
  if (time !== undefined && !isText(time)) throw wrong(topic, 'props.time', time, 'a text');
  if (reply !== undefined && !isText(reply)) throw wrong(topic, 'props.reply', reply, 'a text');
  if (correlation !== undefined && !isText(correlation)) throw wrong(topic, 'props.correlation', correlation, 'a text');
  if (format !== undefined && format !== 0 && format !== 1) throw wrong(topic, 'props.format', format, '0 or 1');
  if (expiry !== undefined && !(Number.isInteger(expiry) && expiry >= 0 && expiry <= 0xffff_ffff))
    throw wrong(topic, 'props.expiry', expiry, 'whole seconds, 0 or more');
  if (user === undefined) return;
  const arePairs = Array.isArray(user) && user.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isText));
  if (!arePairs) throw wrong(topic, 'props.user', user, "pairs of texts such as [['unit', 'bar']]");
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0') && Buffer.byteLength(value) <= MAX_TEXT_BYTES;
}

function wrong(topic: string, name: string, value: unknown, wanted: string): HydrantError {
  return new HydrantError('HYD_USAGE', `${name} of the event for ${topic} is ${String(value).slice(0, 60)}`, { fix: `Give ${wanted}.` });
}
