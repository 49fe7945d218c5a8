import type { CredentialProvider } from '../../bus/mqtt/options.ts';
import { HydrantError } from '../../core/errors.ts';
import { assertKeys } from '../checks.ts';
import { channelLevels } from './channel-name.ts';
import { assertNames, refuseTopic } from './names.ts';
import type { Profile } from './profile.ts';

export interface AwsOptions {
  /** Name of the thing; also the client id. */
  thing: string;
  /** Host of the account's data endpoint (`…-ats.iot.<region>.amazonaws.com`), or a whole URL. */
  endpoint: string;
  /** Level before the thing in the topics of data and commands. Default: none. */
  application?: string;
  /** A named shadow. Default: the classic one, which has no name. */
  shadow?: string;
  /** Such as `customAuthorizer()`. Default: none, the client's certificate (`tls`) is what counts. */
  credentials?: CredentialProvider;
}

const MAX_TOPIC_BYTES = 256;
const MAX_SLASHES = 7;

/**
 * AWS IoT Core: MQTT 5, QoS 0 and 1. Data goes to `dt/[<application>/]<thing>/data[/sub]`, commands come on `cmd/[<application>/]<thing>/#`; the
 * state is what the thing's shadow has as reported (`last` and `merge`, changes only, 8 KB), configuration is the shadow's delta, and error
 * reports are what the shadow refused. Limits as in "AWS IoT Core endpoints and quotas": 128 KB a message, 100 unacknowledged, 100 messages and
 * 512 KB a second, topics of 256 bytes with 7 slashes.
 * @throws HYD_USAGE for a name that is missing
 */
export function aws(options: AwsOptions): Profile {
  assertKeys('aws()', options, ['thing', 'endpoint', 'application', 'shadow', 'credentials']);
  const { thing, endpoint, application, shadow, credentials } = options;
  assertNames('aws', { thing, ...(application === undefined ? {} : { application }), ...(shadow === undefined ? {} : { shadow }) });
  if (!endpoint) throw new HydrantError('HYD_USAGE', 'aws({ endpoint }) is missing', { fix: "Give the account's data endpoint." });
  const device = application === undefined ? thing : `${application}/${thing}`;
  const document = `$aws/things/${thing}/shadow${shadow === undefined ? '' : `/name/${shadow}`}`;

  function assertTopic(topic: string): void {
    if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES)
      refuseTopic('aws', `${topic.slice(0, 40)}…`, `${Buffer.byteLength(topic)} bytes are more than ${MAX_TOPIC_BYTES}`);
    // The three levels of `$aws/rules/<name>/…` do not count.
    const slashes = topic.split('/').length - 1 - (topic.startsWith('$aws/rules/') ? 3 : 0);
    if (slashes > MAX_SLASHES) refuseTopic('aws', topic, `${slashes} slashes are more than ${MAX_SLASHES}`);
    if (topic.startsWith('$') && !topic.startsWith(`$aws/things/${thing}/`) && !topic.startsWith('$aws/rules/'))
      refuseTopic('aws', topic, `what begins with $ is reserved, but for $aws/things/${thing}/ and $aws/rules/`);
  }

  return {
    name: 'aws',
    urls: [endpoint.includes('://') ? endpoint : `mqtts://${endpoint}:8883`],
    clientId: thing,
    version: 5,
    persistentSession: true,
    credentials,
    limits: {
      maxEventBytes: 131_072,
      maxStateBytes: 8_192,
      stateIntervalMs: 1_000,
      minStateIntervalMs: 50,
      maxQos: 1,
      retain: true,
      maxInFlight: 100,
      eventsPerSecond: 100,
      bytesPerSecond: 524_288,
    },
    state: { modes: ['merge', 'last'], form: 'changes', wrap: ['{"state":{"reported":', '}}'] },
    topicOf(channel) {
      const levels = channelLevels('aws', channel);
      const topic = channel === 'state' ? `${document}/update` : `dt/${device}/${levels.join('/')}`;
      assertTopic(topic);
      return topic;
    },
    assertTopic,
    configFilter: `${document}/update/delta`,
    commandFilter: `cmd/${device}/#`,
    errorFilter: `${document}/update/rejected`,
  };
}
