import type { Command } from 'commander';
import { Option } from 'commander';
import type { Outbox, Quarantined } from '../../client/outbox/outbox.ts';
import { HydrantError } from '../../core/errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { write } from '../io.ts';
import { collect, type Format, outputOption, tzOption, wholeNumber } from '../options.ts';
import { chosenFormat, printRows } from '../rows.ts';
import { outboxServe } from './outbox-serve.ts';

interface OutboxOptions {
  outbox: string;
  channel?: string[];
}

interface LsOptions extends OutboxOptions {
  limit: number;
  output?: Format;
  tz: string;
}

interface ChosenOptions extends OutboxOptions {
  all?: boolean;
  yes?: boolean;
}

const SAFE = 'Works beside the client that sends from it, and without one.';

const ls = defineCommand<LsOptions>({
  name: 'ls',
  summary: 'list channels with their backlog, and what is in quarantine',
  notes: [
    `${SAFE} An event is put into quarantine when the server refuses it for good, or hangs up on it again and again; it is kept until somebody retries or drops it.`,
  ],
  examples: [
    ['hydrant outbox ls --outbox /var/lib/sensor/outbox', 'how much waits, since when, and what the server would not take'],
    ['hydrant outbox ls --outbox DIR -o ndjson | jq .events', 'for monitoring'],
  ],
  define: (command) =>
    void addOutboxOptions(command)
      .option('-n, --limit <count>', 'events in quarantine to list', wholeNumber(1), 100)
      .addOption(outputOption())
      .addOption(tzOption()),
  async run({ options, io }) {
    const [{ CHANNEL_COLUMNS, describeChannels, quarantineColumns }, { timeFormatter }] = await Promise.all([
      import('../outbox/outbox-report.ts'),
      import('../time-text.ts'),
    ]);
    const columns = quarantineColumns(timeFormatter(options.tz));
    await using outbox = await open(options);
    const rows = await describeChannels(outbox, options);
    const format = chosenFormat(io, options.output);
    await printRows(io, format, CHANNEL_COLUMNS, rows);
    const shown = rows.flatMap(({ inQuarantine }) => inQuarantine);
    if (format !== 'table' || shown.length === 0) return undefined;
    const total = rows.reduce((sum, { quarantined }) => sum + quarantined, 0);
    await write(io.stdout, `\nIn quarantine${shown.length < total ? `, ${shown.length} of ${total}` : ''}\n`, io.signal);
    await printRows(io, format, columns, shown);
    return undefined;
  },
});

const show = defineCommand<OutboxOptions & { output?: Format }>({
  name: 'show',
  summary: 'show one event of the quarantine',
  notes: [SAFE],
  examples: [
    ['hydrant outbox show 01K9ZQ4J6W8M3T5V7X9B1D3F5H --outbox DIR', 'its topic, its payload, and why it is there'],
    ['hydrant outbox show 01K9ZQ4J6W8M3T5V7X9B1D3F5H --outbox DIR -o raw > payload', 'only the payload, byte for byte'],
  ],
  define: (command) =>
    void addOutboxOptions(command.argument('<id>', 'as `outbox ls` names it')).addOption(outputOption(['json', 'raw'], 'json')),
  async run({ args: [id = ''], options, io }) {
    const [{ chooseQuarantined }, { describeQuarantined }, { escapeBytes }] = await Promise.all([
      import('../outbox/quarantine.ts'),
      import('../outbox/outbox-report.ts'),
      import('../escape.ts'),
    ]);
    await using outbox = await open(options);
    const [seq] = (await chooseQuarantined(outbox, [id], options)) as [number];
    const [event] = (await outbox.quarantined({ afterSeq: seq - 1, maxEvents: 1 })) as [Quarantined];
    if (options.output === 'raw')
      await write(io.stdout, io.stdout.isTTY ? escapeBytes(event.payload, { lines: true }) : event.payload, io.signal);
    else await write(io.stdout, `${JSON.stringify(describeQuarantined(event), undefined, 2)}\n`, io.signal);
    return undefined;
  },
});

const retry = defineCommand<ChosenOptions>({
  name: 'retry',
  summary: 'send events of the quarantine again',
  notes: [`They go to the end of their channel. ${SAFE}`],
  examples: [
    ['hydrant outbox retry 01K9ZQ4J6W8M3T5V7X9B1D3F5H --outbox DIR', 'that one'],
    ['hydrant outbox retry --all --channel data --outbox DIR', 'all of one channel, once the server takes them'],
  ],
  define: (command) => void addChoice(addOutboxOptions(command)),
  async run({ args, options, io }) {
    const { chooseQuarantined } = await import('../outbox/quarantine.ts');
    await using outbox = await open(options);
    const done = await Promise.all((await chooseQuarantined(outbox, args, options)).map((seq) => outbox.retry(seq)));
    await write(io.stderr, `${countText(done)} will be sent again\n`);
    return undefined;
  },
});

const drop = defineCommand<ChosenOptions>({
  name: 'drop',
  summary: 'delete events of the quarantine for good',
  notes: [`With --all also --yes, since nothing brings them back. ${SAFE}`],
  examples: [
    ['hydrant outbox drop 01K9ZQ4J6W8M3T5V7X9B1D3F5H --outbox DIR', 'that one'],
    ['hydrant outbox drop --all --yes --outbox DIR', 'all of them'],
  ],
  define: (command) => void addChoice(addOutboxOptions(command)).option('--yes', 'with --all: do it'),
  async run({ args, options, io }) {
    const { chooseQuarantined } = await import('../outbox/quarantine.ts');
    await using outbox = await open(options);
    const chosen = await chooseQuarantined(outbox, args, options);
    if (options.all && !options.yes)
      throw new HydrantError('HYD_USAGE', `${countText(chosen)} would be deleted for good`, { fix: 'Say so with --yes.' });
    const done = await Promise.all(chosen.map((seq) => outbox.drop(seq)));
    await write(io.stderr, `${countText(done)} deleted\n`);
    return undefined;
  },
});

export const outbox: CommandDefinition = {
  name: 'outbox',
  summary: 'look into the outbox of a client, or keep one for local programs',
  examples: [],
  commands: [ls, show, retry, drop, outboxServe],
};

function addOutboxOptions(command: Command): Command {
  return command
    .addOption(new Option('--outbox <dir>', 'folder of the outbox').makeOptionMandatory())
    .option('--channel <name>', 'only of this channel; can be given again', collect);
}

function addChoice(command: Command): Command {
  return command.argument('[id...]', 'as `outbox ls` names them').option('--all', 'all of them');
}

async function open({ outbox }: OutboxOptions): Promise<Outbox> {
  const { openOutbox } = await import('../../client/outbox/open-outbox.ts');
  return openOutbox(outbox, { create: false });
}

function countText(events: readonly unknown[]): string {
  return events.length === 1 ? '1 event' : `${events.filter((done) => done !== false).length} events`;
}
