import type { CredentialProvider } from '../../bus/mqtt/options.ts';
import { HydrantError } from '../../core/errors.ts';
import { assertKeys } from '../checks.ts';
import { type JwtOptions, jwt } from '../credentials/jwt.ts';
import { channelLevels } from './channel-name.ts';
import { assertNames, refuseTopic } from './names.ts';
import type { Profile } from './profile.ts';

export interface AzureEventGridOptions {
  /** MQTT host name of the namespace (`….ts.eventgrid.azure.net`), or a whole URL. */
  host: string;
  /** The client's session name, and level of its topics. */
  device: string;
  /** Private key of a custom JWT, as `jwt()` takes it. */
  key?: JwtOptions['key'];
  /** Audience of that token. */
  audience?: string;
  /** In place of `key`. Default: none, the client's certificate (`tls`) is what counts. */
  credentials?: CredentialProvider;
}

const MAX_TOPIC_BYTES = 256;
const MAX_SLASHES = 7;

/**
 * MQTT broker of Azure Event Grid: MQTT 5, QoS 0 and 1, a custom JWT that is renewed in the session. A topic space of the namespace has to allow
 * `devices/<device>/#`: data goes to `devices/<device>/data[/sub]`, state to `…/state`, configuration comes on `…/config`, commands on
 * `…/commands/#`. Messages of 512 KB, 100 a second, topics of 256 bytes with 8 levels, as in "Azure Event Grid quotas and limits"; how many
 * may be unacknowledged the broker says itself.
 * @throws HYD_USAGE for a name that is missing
 */
export function azureEventGrid(options: AzureEventGridOptions): Profile {
  assertKeys('azureEventGrid()', options, ['host', 'device', 'key', 'audience', 'credentials']);
  const { host, device, key, audience, credentials } = options;
  assertNames('azureEventGrid', { device });
  if (!host) throw new HydrantError('HYD_USAGE', 'azureEventGrid({ host }) is missing', { fix: "Give the namespace's MQTT host name." });
  const base = `devices/${device}`;

  function assertTopic(topic: string): void {
    const bytes = Buffer.byteLength(topic);
    if (bytes > MAX_TOPIC_BYTES)
      refuseTopic('azure-event-grid', `${topic.slice(0, 40)}…`, `${bytes} bytes are more than ${MAX_TOPIC_BYTES}`);
    const slashes = topic.split('/').length - 1;
    if (slashes > MAX_SLASHES) refuseTopic('azure-event-grid', topic, `${slashes} slashes are more than ${MAX_SLASHES}`);
  }

  return {
    name: 'azure-event-grid',
    urls: [host.includes('://') ? host : `mqtts://${host}:8883`],
    clientId: device,
    version: 5,
    persistentSession: true,
    credentials:
      credentials ?? (key === undefined ? undefined : jwt({ key, audience, claims: { sub: device }, username: device, as: 'CUSTOM-JWT' })),
    limits: {
      // The message with its topic and properties has 512 KB.
      maxEventBytes: 524_288 - 4_096,
      maxStateBytes: 65_536,
      stateIntervalMs: 1_000,
      minStateIntervalMs: 0,
      maxQos: 1,
      retain: false,
      eventsPerSecond: 100,
    },
    state: { modes: ['collect', 'last', 'merge'], form: 'object' },
    topicOf(channel) {
      const topic = `${base}/${channelLevels('azure-event-grid', channel).join('/')}`;
      assertTopic(topic);
      return topic;
    },
    assertTopic,
    configFilter: `${base}/config`,
    commandFilter: `${base}/commands/#`,
  };
}
