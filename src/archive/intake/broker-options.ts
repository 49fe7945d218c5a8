import { z } from 'zod';
import { duration, filePath, listed } from '../../core/option-types.ts';
import { filterFault } from '../../wire/topic.ts';

const text = () => z.string().min(1).optional();

/** The broker that `hydrant archive` reads. A section of the configuration. */
export const brokerOptions = z.strictObject({
  urls: z
    .array(z.string().refine(isBrokerUrl, { error: 'expected URLs such as "mqtt://broker.example.org:1883", without user or password' }))
    .default([])
    .describe(
      'The broker that `hydrant archive` reads: mqtt:// mqtts:// ws:// wss://. Several are doors to one broker or cluster that shares sessions: the next one is tried when one cannot be reached.',
    ),
  clientId: text().describe(
    'Client id of the archiver, and so the name of its session. Default: archive- and the first 12 letters of the journal id, one per data folder. Two archivers must not share it.',
  ),
  username: text().describe('Account at the broker.'),
  password: text().meta({ secret: true }).describe('Its password.'),
  version: z
    .union([z.literal(5), z.enum(['5', '3.1.1'])], { error: 'expected 5 or 3.1.1' })
    .meta({ examples: ['5', '3.1.1'] })
    .prefault(5)
    .transform((version): 4 | 5 => (version === '3.1.1' ? 4 : 5))
    .describe('MQTT version; 5 falls back to 3.1.1 where the broker knows no 5.'),
  filters: z
    .array(listed('topic filters such as "devices/#"', filterFault))
    .min(1)
    .default(['#'])
    .describe('Topic filters of what is archived. `#` does not match topics that begin with $: name those.'),
  retained: z
    .enum(['skip', 'keep'])
    .default('skip')
    .describe('What the broker retains when the subscription is made: skip, or keep it as events. Live publishes are archived always.'),
  keepAlive: duration({ minMs: 1000, maxMs: 65_535_000 })
    .prefault('60s')
    .describe('A broker that is silent is found within 1.5 times this.'),
  receiveMaximum: z
    .int()
    .min(1)
    .max(65_535)
    .default(10_000)
    .describe('QoS 1 and 2 deliveries out and not yet on disk, at most. On MQTT 3.1.1 the broker has its own limit.'),
  sessionExpiry: duration({ minMs: 1000 })
    .prefault('7d')
    .describe('MQTT 5: how long the broker keeps what comes while the archiver is away. On 3.1.1 the broker decides.'),
  tls: z
    .strictObject({
      ca: filePath().optional().describe('PEM file with the authorities that sign the certificate of the broker. Default: the usual ones.'),
      cert: filePath().optional().describe('PEM file with a client certificate; goes with key.'),
      key: filePath().optional().describe('PEM file with its key.'),
      insecure: z.boolean().default(false).describe('Do not check the certificate of the broker.'),
    })
    .prefault({}),
});

export type BrokerSettings = z.output<typeof brokerOptions>;

function isBrokerUrl(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url !== undefined && /^(mqtts?|wss?):$/.test(url.protocol) && url.hostname !== '' && `${url.username}${url.password}` === '';
}
