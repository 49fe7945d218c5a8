import { Option } from 'commander';
import { HydrantError } from '../../core/errors.ts';
import type { QoS } from '../../wire/event.ts';
import { assertFilter } from '../../wire/topic.ts';
import { defineCommand } from '../command.ts';
import { addConnectionOptions, type ConnectionOptions, parseQos, propertyOption, resolveConnection } from '../connection-options.ts';
import { collect, durationMs, type Format, outputOption, tzOption, wholeNumber } from '../options.ts';
import { parseProperties } from '../properties.ts';

export interface SubOptions extends ConnectionOptions {
  topic?: string[];
  filterOut?: string[];
  unsubscribe?: string[];
  qos: QoS;
  verbose?: boolean;
  format?: string;
  output?: Format;
  count?: number;
  wait?: number;
  disableCleanSession?: boolean;
  retained: boolean;
  retainedOnly?: boolean;
  retainAsPublished?: boolean;
  removeRetained?: boolean;
  skipReplayed?: boolean;
  exitOnSuback?: boolean;
  eol: boolean;
  since?: string;
  tz: string;
}

export const sub = defineCommand<SubOptions>({
  name: 'sub',
  summary: 'subscribe at any MQTT broker, on Hydrant also to what was',
  notes: [
    "Flags and their meaning are mosquitto_sub's. Runs until it is interrupted, -C messages have come or -W has passed (exit 5). When the connection is lost it connects again, unless -C or -W bound the wait.",
    '--since reads history first and then goes live without a gap or a duplicate; it needs Hydrant on the other side.',
  ],
  examples: [
    ["hydrant sub -t '#' -v", 'everything, with its topic'],
    ["hydrant sub -t 'plant/+/temp' --since 15m -v", 'the last quarter of an hour, then live'],
    ["hydrant sub -t 'orders/#' -q 1 -c -i billing", 'a persistent session: what comes while it is away is kept for it'],
    ["hydrant sub -t 'a/b' -C 1 -W 10", 'one message, or exit 5 after ten seconds'],
    ["hydrant sub -t '#' -F '%I %t %p'", "mosquitto's format letters"],
    ["hydrant sub -t '#' -o ndjson | jq .topic", 'archive lines'],
  ],
  define(command) {
    command
      .option('-t, --topic <filter>', 'what to subscribe to; repeatable (or as the path of an mqtt:// URL)', collect)
      .option('-T, --filter-out <filter>', 'leave these out; repeatable', collect)
      .option('-U, --unsubscribe <filter>', 'unsubscribe first, for a persistent session; repeatable', collect)
      .addOption(new Option('-q, --qos <qos>', 'highest QoS wanted').argParser(parseQos).default(0))
      .option('--since <time>', 'history first: 15m, today, 2026-11-21T10:00Z, or a sequence number')
      .option('-v, --verbose', 'print the topic before the payload')
      .option('-F, --format <format>', 'what to print of each message: %t topic, %p payload, %I time, %q QoS, %J JSON')
      .addOption(outputOption(['raw', 'ndjson', 'json', 'table'], 'raw, the payload'))
      .option('-N, --no-eol', 'no newline after the payload')
      .option('-C, --count <count>', 'exit after this many messages', wholeNumber(1))
      .addOption(new Option('-W, --wait <time>', 'exit with 5 after this long').argParser(durationMs))
      .option('-c, --disable-clean-session', 'keep the session and its messages for the next time; needs -i')
      .option('-R, --no-retained', 'leave out retained messages that come because of the subscription')
      .option('--retained-only', 'print retained messages, exit at the first other one')
      .option('--retain-as-published', 'MQTT 5: leave the retain flag as it was published')
      .option('--remove-retained', 'remove each retained message that comes')
      .option('--skip-replayed', 'leave out what `hydrant replay` has marked; speaks MQTT 5')
      .option('-E, --exit-on-suback', 'exit once subscribed; with -c to make a session')
      .addOption(tzOption())
      .addOption(propertyOption());
    addConnectionOptions(command);
  },
  async run({ options, io }) {
    const target = resolveConnection(options, io.env, options.property || options.retainAsPublished || options.skipReplayed ? 5 : 4);
    const filters = options.topic ?? (target.topic === undefined ? [] : [target.topic]);
    if (filters.length === 0 && !options.unsubscribe)
      throw new HydrantError('HYD_USAGE', 'no filter was given', { fix: "Give one with -t FILTER, such as -t '#'." });
    for (const filter of [...filters, ...(options.filterOut ?? []), ...(options.unsubscribe ?? [])]) assertFilter(filter);
    if (options.disableCleanSession && target.clientId === '') {
      throw new HydrantError('HYD_USAGE', '-c keeps a session, and a session belongs to a client id', { fix: 'Give the id with -i ID.' });
    }
    if (options.skipReplayed && target.version < 5)
      throw new HydrantError('HYD_USAGE', '--skip-replayed goes by a mark that only MQTT 5 carries', { fix: 'Leave out -V, or say -V 5.' });
    const { listen } = await import('../listen.ts');
    return listen(options, { target, filters, properties: parseProperties(options.property) }, io);
  },
});
