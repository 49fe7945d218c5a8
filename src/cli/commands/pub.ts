import { Option } from 'commander';
import { HydrantError } from '../../core/errors.ts';
import type { PublishRequest } from '../../mqtt/client.ts';
import type { QoS } from '../../wire/event.ts';
import { assertTopic } from '../../wire/topic.ts';
import { defineCommand } from '../command.ts';
import { addConnectionOptions, type ConnectionOptions, parseQos, propertyOption, resolveConnection } from '../connection-options.ts';
import { durationMs, wholeNumber } from '../options.ts';
import { type PayloadOptions, readPayloads } from '../payloads.ts';
import { parseProperties } from '../properties.ts';

export interface PubOptions extends ConnectionOptions, PayloadOptions {
  topic?: string;
  qos?: QoS;
  retain?: boolean;
  timeout: number;
  outbox?: string;
  wait: boolean;
  flush?: boolean;
  channel: string;
  ttl?: number;
  eventId?: string;
}

/** Publishes under way at once; the server's Receive Maximum may allow fewer. */
const WINDOW = 1000;

export const pub = defineCommand<PubOptions>({
  name: 'pub',
  summary: 'publish to any MQTT broker',
  notes: [
    "Flags and their meaning are mosquitto_pub's. With -q 1 or -q 2, exit 0 means that the broker has acknowledged every message; Hydrant does so once it is on disk. With -q 0 nobody acknowledges.",
    'With --outbox DIR each message is on this disk before it is sent, and leaves it when the broker has acknowledged it, so nothing is lost while the broker is away: exit 0 means that all in the outbox is acknowledged, with --no-wait that it is stored. Any number of commands may use one folder at once; one of them sends. What a killed command left, the next one sends: repeats have the same id, in the user property hydrant-id.',
  ],
  examples: [
    ['hydrant pub -t plant/7/temp -m 21.5 -q 1', 'one message; done means stored'],
    ['tail -f app.log | hydrant pub -t logs/app -l -q 1', 'each line of stdin is a message'],
    ['hydrant pub -t plant/7/state -m on -r -q 1', 'retained: who subscribes later gets it too'],
    ['hydrant pub -t plant/7/state -n -r -q 1', 'removes the retained message'],
    ['hydrant pub -V 5 -D publish user-property trace 4f2a -t a/b -m hi', 'with an MQTT 5 user property'],
    ['hydrant pub --outbox /var/spool/bus -t plant/7/temp -m 21.5', 'on disk first, then sent; waits for the acknowledgement'],
    ['hydrant pub --outbox /var/spool/bus -t plant/7/temp -m 21.5 --no-wait', 'on disk, and done: no broker is needed'],
    ['hydrant pub --outbox /var/spool/bus --flush', 'sends what is there'],
  ],
  define(command) {
    command
      .option('-t, --topic <topic>', 'topic to publish to (or as the path of an mqtt:// URL)')
      .option('-m, --message <text>', 'the payload')
      .option('-f, --file <file>', 'a file is the payload, byte for byte')
      .option('-l, --stdin-line', 'each line of stdin is a message')
      .option('-s, --stdin-file', 'all of stdin is the payload')
      .option('-n, --null-message', 'an empty payload')
      .addOption(
        new Option('-q, --qos <qos>', '0 at most once, 1 at least once, 2 exactly once (default: 0, with --outbox 1)').argParser(parseQos),
      )
      .option('-r, --retain', 'keep it for those who subscribe later')
      .option('--repeat <count>', 'send it this often', wholeNumber(1))
      .addOption(new Option('--repeat-delay <time>', 'pause between repeats').argParser(durationMs))
      .addOption(
        new Option('--timeout <time>', 'give up when an acknowledgement takes longer').argParser(durationMs).default(30_000, '30s'),
      )
      .addOption(propertyOption())
      .optionsGroup('Store and forward:')
      .option('--outbox <dir>', 'store each message in this folder (made when missing), then send it')
      .option('--no-wait', 'with --outbox: end once all is stored; what sends it is the next command without this')
      .option('--flush', 'with --outbox: send what is there; no message is given')
      .option('--channel <name>', 'with --outbox: a queue of its own; order is kept within a queue', 'events')
      .addOption(new Option('--ttl <time>', 'with --outbox: after this nobody wants it any more').argParser(durationMs))
      .option('--event-id <id>', 'with --outbox: id of the event (default: a new ULID)')
      .optionsGroup('Options:');
    addConnectionOptions(command);
  },
  async run({ options, io }) {
    if (options.outbox !== undefined) {
      const { publishThroughOutbox } = await import('../outbox/publish-through-outbox.ts');
      await publishThroughOutbox({ ...options, outbox: options.outbox }, io);
      return undefined;
    }
    assertNoOutboxOptions(options);
    const target = resolveConnection(options, io.env, options.property ? 5 : 4);
    const topic = options.topic ?? target.topic;
    if (topic === undefined) throw new HydrantError('HYD_USAGE', 'no topic was given', { fix: 'Give one with -t TOPIC.' });
    assertTopic(topic);
    const payloads = readPayloads(options, io);
    const { properties, userProperties } = parseProperties(options.property).publish;
    const [{ connect }, { publishAll }] = await Promise.all([import('../connect.ts'), import('../publish-all.ts')]);
    await using client = await connect(target, io.signal, { maxInFlight: WINDOW });
    const message = { topic, qos: options.qos ?? 0, retain: options.retain ?? false, properties, userProperties };
    await publishAll(client, requests(payloads, message), { window: WINDOW, timeoutMs: options.timeout, signal: io.signal });
    return undefined;
  },
});

function assertNoOutboxOptions({ wait, flush, ttl, eventId }: PubOptions): void {
  const flag = !wait ? '--no-wait' : flush ? '--flush' : ttl !== undefined ? '--ttl' : eventId !== undefined ? '--event-id' : undefined;
  if (flag)
    throw new HydrantError('HYD_USAGE', `${flag} is for an outbox, and none is given`, { fix: 'Give its folder with --outbox DIR.' });
}

async function* requests(payloads: AsyncIterable<Buffer>, message: Omit<PublishRequest, 'payload'>): AsyncGenerator<PublishRequest> {
  for await (const payload of payloads) yield { ...message, payload };
}
