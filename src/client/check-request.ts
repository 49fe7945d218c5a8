import { isObject } from '../core/objects.ts';
import { assertTopic } from '../wire/topic.ts';
import { assertDetails } from './check-details.ts';
import { assertKeys, shown, usage } from './checks.ts';
import type { PublishRequest } from './options.ts';
import type { OutboxEvent } from './outbox/outbox.ts';
import { assertAllowed } from './profiles/check.ts';
import type { Profile } from './profiles/profile.ts';

/** Of events of no channel of the profile. */
const EVENTS = 'events';

const KNOWN: readonly (keyof PublishRequest)[] = ['topic', 'payload', 'qos', 'retain', 'channel', 'id', 'contentType', 'props', 'ttlMs'];

/**
 * What is asked to be published, as an event with bytes of its own: the caller may use theirs again.
 * @throws HYD_USAGE, HYD_TOPIC, HYD_TOO_LARGE, HYD_UNSUPPORTED
 */
export function checkRequest(request: PublishRequest, id: string, profile: Profile, nowMs: number): OutboxEvent {
  if (!isObject(request)) throw usage(`publish() takes one object, not ${shown(request)}`, 'Give `{ topic, payload }`.');
  assertKeys('publish()', request, KNOWN, { message: 'Did you mean payload?' });
  const { topic, payload, qos = 1, retain = false, channel = EVENTS, contentType, props, ttlMs } = request;
  if (channel === 'state') throw usage('publish() does not go to the channel state', "Use `client.channel('state').update(…)`.");
  if (typeof topic !== 'string') throw usage(`the topic ${String(topic)} is no text`, 'Give the topic as a string.');
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array))
    throw usage(
      `the payload for ${topic} is neither bytes nor text`,
      'Give a Uint8Array or a string; `JSON.stringify()` makes one of a value.',
    );
  assertTopic(topic);
  assertDetails(request);
  const event: OutboxEvent = {
    id,
    channel,
    topic,
    payload: typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload),
    qos,
    retain,
  };
  assertAllowed(profile, event, channel);
  if (contentType !== undefined) event.contentType = contentType;
  if (props !== undefined) event.props = props;
  if (ttlMs !== undefined) event.expiresMs = nowMs + ttlMs;
  return event;
}
