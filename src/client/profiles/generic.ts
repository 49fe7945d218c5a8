import { HydrantError } from '../../core/errors.ts';
import { assertKeys, assertNumber } from '../checks.ts';
import { channelLevels } from './channel-name.ts';
import { assertNames } from './names.ts';
import type { Profile } from './profile.ts';

export interface GenericOptions {
  /** Level of the topics `/devices/<device>/…`. Without it there are no channels, only `publish()` to topics. */
  device?: string;
  /** Payload bytes of one event. Default: what the server takes. */
  maxEventBytes?: number;
  /** Payload bytes of one publish of the state channel. Default 65 536. */
  maxStateBytes?: number;
  /** Default 1 000. */
  stateIntervalMs?: number;
  /** Default: none. */
  eventsPerSecond?: number;
}

/** Longest payload of an MQTT packet whose topic is as long as may be, MQTT 5 §2.1.4. */
const LONGEST_PAYLOAD = 268_435_455 - 65_537;

/**
 * Any MQTT broker: QoS 0 to 2, retain, a session that the server keeps. Channels are `data`, on `/devices/<device>/data[/sub]`, and `state`, on
 * `/devices/<device>/state`; configuration comes on `/devices/<device>/config`, commands on `/devices/<device>/commands/#`.
 * @throws HYD_USAGE for an option that there is not, or a device that is no level of a topic
 */
export function generic(options: GenericOptions = {}): Profile {
  assertKeys('generic()', options, ['device', 'maxEventBytes', 'maxStateBytes', 'stateIntervalMs', 'eventsPerSecond']);
  const { device, maxEventBytes = LONGEST_PAYLOAD, maxStateBytes = 65_536, stateIntervalMs = 1_000, eventsPerSecond } = options;
  if (device !== undefined) assertNames('generic', { device });
  assertNumber('maxEventBytes of generic()', maxEventBytes, { above: 0 });
  assertNumber('maxStateBytes of generic()', maxStateBytes, { above: 0 });
  assertNumber('stateIntervalMs of generic()', stateIntervalMs, { min: 0 });
  assertNumber('eventsPerSecond of generic()', eventsPerSecond, { above: 0 });
  const base = device === undefined ? undefined : `/devices/${device}`;
  return {
    name: 'generic',
    version: 5,
    persistentSession: true,
    limits: { maxEventBytes, maxStateBytes, stateIntervalMs, minStateIntervalMs: 0, maxQos: 2, retain: true, eventsPerSecond },
    state: { modes: ['collect', 'last', 'merge'], form: 'array' },
    topicOf(channel) {
      const levels = channelLevels('generic', channel);
      if (base === undefined)
        throw new HydrantError('HYD_USAGE', `the channel ${channel} has no topic: the profile generic knows no device`, {
          fix: "Open the client with `profile: generic({ device: 'd1' })`.",
        });
      return `${base}/${levels.join('/')}`;
    },
    ...(base === undefined ? {} : { configFilter: `${base}/config`, commandFilter: `${base}/commands/#`, errorFilter: `${base}/errors` }),
  };
}
