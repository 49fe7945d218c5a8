import { HydrantError } from '../../core/errors.ts';
import type { QoS } from '../../wire/event.ts';
import type { Profile } from './profile.ts';

/**
 * What the profile says about one event, before it is stored.
 * @throws HYD_TOO_LARGE, HYD_UNSUPPORTED, HYD_TOPIC; the message names limit, profile and value
 */
export function assertAllowed(
  profile: Profile,
  { topic, payload, qos, retain }: { topic: string; payload: Uint8Array; qos: QoS; retain: boolean },
  channel: string,
): void {
  const { name, limits } = profile;
  const maxBytes = channel === 'state' ? limits.maxStateBytes : limits.maxEventBytes;
  if (payload.length > maxBytes)
    throw new HydrantError(
      'HYD_TOO_LARGE',
      `the payload for ${topic} has ${payload.length} bytes; the profile ${name} allows ${maxBytes} in one ${channel === 'state' ? 'state' : 'event'}`,
    );
  if (qos > limits.maxQos)
    throw new HydrantError('HYD_UNSUPPORTED', `QoS ${qos} for ${topic}: the profile ${name} allows QoS ${limits.maxQos} at most`, {
      fix: `Publish at QoS ${limits.maxQos}.`,
    });
  if (retain && !limits.retain)
    throw new HydrantError('HYD_UNSUPPORTED', `retain for ${topic}: the service of the profile ${name} retains nothing`, {
      fix: 'Publish without retain.',
    });
  profile.assertTopic?.(topic);
}
