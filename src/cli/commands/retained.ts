import { HydrantError } from '../../core/errors.ts';
import { assertFilter, assertTopic } from '../../wire/topic.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { addConnectionOptions, type ConnectionOptions, resolveConnection } from '../connection-options.ts';
import { write } from '../io.ts';
import { dataOption, type Format, outputOption, tzOption } from '../options.ts';
import { chosenFormat } from '../rows.ts';

interface LsOptions extends ConnectionOptions {
  data?: string;
  output?: Format;
  tz: string;
}

const ls = defineCommand<LsOptions>({
  name: 'ls',
  summary: 'list retained messages',
  notes: ['Of a data folder, whether its server runs or not; with --url (or -h, -p) of any MQTT broker.'],
  examples: [
    ['hydrant retained ls', 'all of them'],
    ["hydrant retained ls 'plant/+/state' -o raw", 'only the payloads'],
    ["hydrant retained ls '#' --url mqtt://broker:1883", 'of another broker'],
  ],
  define(command) {
    command
      .argument('[filter...]', 'topics, as MQTT filters; all when none is given')
      .addOption(outputOption(['table', 'ndjson', 'json', 'raw']))
      .addOption(dataOption())
      .addOption(tzOption());
    addConnectionOptions(command);
  },
  async run({ args, options, io }) {
    for (const filter of args) assertFilter(filter);
    const [{ createEventWriter }, { timeFormatter }, { fetchRetained, readRetained }] = await Promise.all([
      import('../event-output.ts'),
      import('../time-text.ts'),
      import('../retained-list.ts'),
    ]);
    const writer = createEventWriter(io, chosenFormat(io, options.output), { time: timeFormatter(options.tz) });
    if (options.url !== undefined || options.host !== undefined || options.port !== undefined) {
      if (options.data !== undefined)
        throw new HydrantError('HYD_USAGE', '--data and --url exclude each other', { fix: 'Leave one of them out.' });
      const { connect } = await import('../connect.ts');
      await using client = await connect(resolveConnection(options, io.env), io.signal);
      for (const event of await fetchRetained(client, args.length > 0 ? args : ['#'])) await writer.event(event);
    } else {
      const [{ resolveDataDir }, { readDataFolder }] = await Promise.all([
        import('../../app/data-dir.ts'),
        import('../../app/data-folder.ts'),
      ]);
      const dataDir = resolveDataDir(options.data, io.env);
      readDataFolder(dataDir);
      for await (const event of readRetained(dataDir, args)) await writer.event(event);
    }
    await writer.end();
    return undefined;
  },
});

const rm = defineCommand<ConnectionOptions>({
  name: 'rm',
  summary: 'remove the retained message of a topic',
  notes: [
    'Publishes an empty retained message at QoS 1, which is how MQTT removes one; subscribers see it. The journal and the archive keep what was.',
  ],
  examples: [['hydrant retained rm plant/7/state plant/8/state', 'two of them']],
  define: (command) => void addConnectionOptions(command.argument('<topic...>', 'topics; no wildcards')),
  async run({ args, options, io }) {
    for (const topic of args) assertTopic(topic);
    const { connect } = await import('../connect.ts');
    await using client = await connect(resolveConnection(options, io.env), io.signal);
    for (const topic of args) {
      await client.publish({ topic, payload: '', qos: 1, retain: true });
      await write(io.stderr, `removed ${topic}\n`);
    }
    return undefined;
  },
});

export const retained: CommandDefinition = {
  name: 'retained',
  summary: 'list or remove retained messages',
  examples: [],
  commands: [ls, rm],
};
