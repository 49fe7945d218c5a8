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

interface PubOptions extends ConnectionOptions, PayloadOptions {
  topic?: string;
  qos: QoS;
  retain?: boolean;
  timeout: number;
}

/** Publishes under way at once; the server's Receive Maximum may allow fewer. */
const WINDOW = 1000;

export const pub = defineCommand<PubOptions>({
  name: 'pub',
  summary: 'publish to any MQTT broker',
  notes: [
    "Flags and their meaning are mosquitto_pub's. With -q 1 or -q 2, exit 0 means that the broker has acknowledged every message; Hydrant does so once it is on disk. With -q 0 nobody acknowledges.",
  ],
  examples: [
    ['hydrant pub -t plant/7/temp -m 21.5 -q 1', 'one message; done means stored'],
    ['tail -f app.log | hydrant pub -t logs/app -l -q 1', 'each line of stdin is a message'],
    ['hydrant pub -t plant/7/state -m on -r -q 1', 'retained: who subscribes later gets it too'],
    ['hydrant pub -t plant/7/state -n -r -q 1', 'removes the retained message'],
    ['hydrant pub -V 5 -D publish user-property trace 4f2a -t a/b -m hi', 'with an MQTT 5 user property'],
  ],
  define(command) {
    command
      .option('-t, --topic <topic>', 'topic to publish to (or as the path of an mqtt:// URL)')
      .option('-m, --message <text>', 'the payload')
      .option('-f, --file <file>', 'a file is the payload, byte for byte')
      .option('-l, --stdin-line', 'each line of stdin is a message')
      .option('-s, --stdin-file', 'all of stdin is the payload')
      .option('-n, --null-message', 'an empty payload')
      .addOption(new Option('-q, --qos <qos>', '0 at most once, 1 at least once, 2 exactly once').argParser(parseQos).default(0))
      .option('-r, --retain', 'keep it for those who subscribe later')
      .option('--repeat <count>', 'send it this often', wholeNumber(1))
      .addOption(new Option('--repeat-delay <time>', 'pause between repeats').argParser(durationMs))
      .addOption(
        new Option('--timeout <time>', 'give up when an acknowledgement takes longer').argParser(durationMs).default(30_000, '30s'),
      )
      .addOption(propertyOption());
    addConnectionOptions(command);
  },
  async run({ options, io }) {
    const target = resolveConnection(options, io.env, options.property ? 5 : 4);
    const topic = options.topic ?? target.topic;
    if (topic === undefined) throw new HydrantError('HYD_USAGE', 'no topic was given', { fix: 'Give one with -t TOPIC.' });
    assertTopic(topic);
    const payloads = readPayloads(options, io);
    const { properties, userProperties } = parseProperties(options.property).publish;
    const [{ connect }, { publishAll }] = await Promise.all([import('../connect.ts'), import('../publish-all.ts')]);
    await using client = await connect(target, io.signal, { maxInFlight: WINDOW });
    const message = { topic, qos: options.qos, retain: options.retain ?? false, properties, userProperties };
    await publishAll(client, requests(payloads, message), { window: WINDOW, timeoutMs: options.timeout, signal: io.signal });
    return undefined;
  },
});

async function* requests(payloads: AsyncIterable<Buffer>, message: Omit<PublishRequest, 'payload'>): AsyncGenerator<PublishRequest> {
  for await (const payload of payloads) yield { ...message, payload };
}
