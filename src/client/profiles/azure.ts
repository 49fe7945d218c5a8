import type { CredentialProvider } from '../../bus/mqtt/options.ts';
import { assertKeys } from '../checks.ts';
import { sas } from '../credentials/sas.ts';
import { channelLevels } from './channel-name.ts';
import { assertNames, refuseTopic } from './names.ts';
import type { Profile } from './profile.ts';

export interface AzureOptions {
  /** The hub's name, or its whole host name. */
  hub: string;
  device: string;
  /** The device's symmetric key, as `sas()` takes it. */
  key?: string;
  /** In place of `key`. With a certificate (`tls`) the user name alone is sent. */
  credentials?: CredentialProvider;
  /** Default `mqtts://<hub>:8883`. */
  url?: string;
  /** The hub's rate depends on its tier and is shared by all devices. Default: none. */
  eventsPerSecond?: number;
}

/**
 * Azure IoT Hub: MQTT 3.1.1, QoS 0 and 1, nothing retained. Data goes to `devices/<device>/messages/events/`, a sub-channel as the message property
 * `sub`; the state is the twin's reported properties (`merge` and `last`, changes only, 32 KB), configuration its desired properties as they
 * change, commands are cloud-to-device messages. As in "Communicate with an IoT hub using the MQTT protocol" and "Understand and use device twins".
 * Not mapped: answers to twin updates (`acked` says that the hub has the message, not that the twin took it), reading the whole twin, direct
 * methods, file uploads.
 * @throws HYD_USAGE for a name that is missing, HYD_CREDENTIALS when the key is not base64
 */
export function azure(options: AzureOptions): Profile {
  assertKeys('azure()', options, ['hub', 'device', 'key', 'credentials', 'url', 'eventsPerSecond']);
  const { hub, device, key, eventsPerSecond } = options;
  assertNames('azure', { hub, device });
  const host = hub.includes('.') ? hub : `${hub}.azure-devices.net`;
  const events = `devices/${device}/messages/events/`;
  const username = `${host}/${device}/?api-version=2021-04-12`;
  return {
    name: 'azure',
    urls: [options.url ?? `mqtts://${host}:8883`],
    clientId: device,
    version: 4,
    persistentSession: true,
    credentials: options.credentials ?? (key === undefined ? async () => ({ username }) : sas({ hub, device, key })),
    limits: {
      // A message has 256 KB with its properties, those that the hub adds included.
      maxEventBytes: 262_144 - 4_096,
      maxStateBytes: 32_768,
      stateIntervalMs: 1_000,
      minStateIntervalMs: 1_000,
      maxQos: 1,
      retain: false,
      eventsPerSecond,
    },
    state: { modes: ['merge', 'last'], form: 'changes' },
    topicOf(channel) {
      if (channel === 'state') return '$iothub/twin/PATCH/properties/reported/?$rid=state';
      const [, ...sub] = channelLevels('azure', channel);
      return sub.length === 0 ? events : `${events}sub=${encodeURIComponent(sub.join('/'))}`;
    },
    assertTopic(topic) {
      const isOwn = topic.startsWith(events) || topic.startsWith('$iothub/twin/') || topic.startsWith('$iothub/methods/res/');
      if (!isOwn) refuseTopic('azure', topic, `there are ${events}<properties>, $iothub/twin/… and $iothub/methods/res/…`);
    },
    configFilter: '$iothub/twin/PATCH/properties/desired/#',
    commandFilter: `devices/${device}/messages/devicebound/#`,
  };
}
