import type { CredentialProvider } from '../../bus/mqtt/options.ts';
import { assertKeys } from '../checks.ts';
import { type JwtOptions, jwt } from '../credentials/jwt.ts';
import { channelLevels } from './channel-name.ts';
import { assertNames, refuseTopic } from './names.ts';
import type { Profile } from './profile.ts';

export interface ClearbladeOptions {
  project: string;
  /** Such as `us-central1`. */
  region: string;
  registry: string;
  device: string;
  /** The device's private key, as `jwt()` takes it; its token is for `project`. */
  key?: JwtOptions['key'];
  /** In place of `key`. */
  credentials?: CredentialProvider;
  /** Default `mqtts://<region>-mqtt.clearblade.com:8883`. */
  url?: string;
}

/**
 * ClearBlade IoT Core, and what speaks as Google's Cloud IoT Core did: MQTT 3.1.1, QoS 0 and 1, no retain, no will, no session that is kept.
 * The channel `data` is called `events` there. Limits as in the services' page "Quotas and limits": a state of 64 KB once a second, events of
 * 256 KB, 100 messages and 512 KB a second.
 * @throws HYD_USAGE for a name that is missing
 */
export function clearblade(options: ClearbladeOptions): Profile {
  assertKeys('clearblade()', options, ['project', 'region', 'registry', 'device', 'key', 'credentials', 'url']);
  const { project, region, registry, device, key } = options;
  assertNames('clearblade', { project, region, registry, device });
  const base = `/devices/${device}`;
  return {
    name: 'clearblade',
    urls: [options.url ?? `mqtts://${region}-mqtt.clearblade.com:8883`],
    clientId: `projects/${project}/locations/${region}/registries/${registry}/devices/${device}`,
    version: 4,
    persistentSession: false,
    credentials: options.credentials ?? (key === undefined ? undefined : jwt({ key, audience: project })),
    limits: {
      maxEventBytes: 262_144,
      maxStateBytes: 65_536,
      stateIntervalMs: 1_000,
      minStateIntervalMs: 1_000,
      maxQos: 1,
      retain: false,
      eventsPerSecond: 100,
      bytesPerSecond: 524_288,
    },
    state: { modes: ['collect', 'last', 'merge'], form: 'object' },
    topicOf(channel) {
      const [first, ...sub] = channelLevels('clearblade', channel);
      return [base, first === 'data' ? 'events' : first, ...sub].join('/');
    },
    assertTopic(topic) {
      const isOwn = topic === `${base}/state` || topic === `${base}/events` || topic.startsWith(`${base}/events/`);
      if (!isOwn) refuseTopic('clearblade', topic, `there are ${base}/events, ${base}/events/<sub> and ${base}/state`);
    },
    configFilter: `${base}/config`,
    commandFilter: `${base}/commands/#`,
    errorFilter: `${base}/errors`,
  };
}
