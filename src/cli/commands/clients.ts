import type { ClientInfo } from '../../broker/client-table.ts';
import type { ShownClient } from '../clients/client-report.ts';
import { addOperatorOptions, type OperatorOptions } from '../clients/operator-options.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { write } from '../io.ts';
import { type Format, outputOption, tzOption, wholeNumber } from '../options.ts';
import { chosenFormat, printRows } from '../rows.ts';

interface LsOptions extends OperatorOptions {
  connected?: boolean;
  output?: Format;
  tz: string;
}

interface ShowOptions extends OperatorOptions {
  since: string;
  limit: number;
  output?: Format;
  tz: string;
}

const ls = defineCommand<LsOptions>({
  name: 'ls',
  summary: 'list clients, connected or absent with a session or a status',
  notes: [
    'Asks the server that runs on the data folder. BEHIND counts the events between a client’s place in the journal and the end, whether they are for it or not; BACKLOG is what waits in the client’s own outbox, and the age of the oldest of it, as it told last (the option `status` of hydrant/client); EXPIRY is how long its session outlives its connection.',
  ],
  examples: [
    ['hydrant clients ls', 'all of them'],
    ['hydrant clients ls --connected -o ndjson | jq -r .user | sort | uniq -c', 'how many connections each account has'],
    ['hydrant clients ls --http https://bus.example.org:8443 -u ann', 'of a server elsewhere'],
  ],
  define: (command) =>
    void addOperatorOptions(command.option('--connected', 'only those that are connected').addOption(outputOption()).addOption(tzOption())),
  async run({ options, io }) {
    const [{ openServerApi }, { clientColumns }, { timeFormatter }] = await Promise.all([
      import('../clients/server-api.ts'),
      import('../clients/client-report.ts'),
      import('../time-text.ts'),
    ]);
    const columns = clientColumns(timeFormatter(options.tz));
    const clients: ClientInfo[] = [];
    for await (const client of openServerApi(options, io).lines(`/clients?connected=${options.connected ?? false}`))
      clients.push(client as ClientInfo);
    clients.sort((a, b) => (a.client < b.client ? -1 : 1));
    await printRows(io, chosenFormat(io, options.output), columns, clients);
    return undefined;
  },
});

const show = defineCommand<ShowOptions>({
  name: 'show',
  summary: 'show one client: its session, its subscriptions, and what happened to it',
  notes: [
    'The history is what the journal and the archive have on $hydrant/clients/ID/…: connects, disconnects with their reason, subscriptions, refusals, messages it did not get. It is there for clients that are gone, too.',
  ],
  examples: [
    ['hydrant clients show sensor-7', 'with the history of the last day'],
    ['hydrant clients show sensor-7 --since 7d --limit 1000 -o json', 'of a week, to work with'],
  ],
  define: (command) =>
    void addOperatorOptions(
      command
        .argument('<id>', 'client id')
        .option('--since <time>', 'history from here on: 15m, 2d, today, 2026-11-21, 2026-11-21T10:00Z', '24h')
        .option('-n, --limit <count>', 'events of the history, the last ones, at most', wholeNumber(0, 1000), 50)
        .addOption(outputOption(['table', 'json'], 'table on a terminal, json in a pipe'))
        .addOption(tzOption()),
    ),
  async run({ args: [id = ''], options, io }) {
    const [{ openServerApi }, { printClient }, { timeFormatter }, { parseMoment }] = await Promise.all([
      import('../clients/server-api.ts'),
      import('../clients/client-report.ts'),
      import('../time-text.ts'),
      import('../../core/time-range.ts'),
    ]);
    const time = timeFormatter(options.tz);
    const since = new Date(parseMoment(options.since, { nowMs: Date.now(), timeZone: options.tz })).toISOString();
    const path = `/clients/${encodeURIComponent(id)}?since=${since}&limit=${options.limit}`;
    const shown = (await openServerApi(options, io).json('GET', path)) as ShownClient;
    if (chosenFormat(io, options.output) === 'table') await printClient(io, shown, time);
    else await write(io.stdout, `${JSON.stringify(shown, undefined, 2)}\n`, io.signal);
    return undefined;
  },
});

const kick = defineCommand<OperatorOptions & { forget?: boolean }>({
  name: 'kick',
  summary: 'end the connection of a client',
  notes: [
    'An MQTT 5 client is told that it was an administrative action. Its will is published. Its session stays unless --forget is given, and most clients come back at once: to keep one out, take its account away.',
  ],
  examples: [
    ['hydrant clients kick sensor-7', 'its session stays, and so does what it has yet to get'],
    ['hydrant clients kick sensor-7 --forget', 'its session ends, also when it is absent'],
  ],
  define: (command) =>
    void addOperatorOptions(command.argument('<id>', 'client id').option('--forget', 'end its session, with its subscriptions, too')),
  async run({ args: [id = ''], options, io }) {
    const { openServerApi } = await import('../clients/server-api.ts');
    const path = `/clients/${encodeURIComponent(id)}?forget=${options.forget ?? false}`;
    const { connected, forgotten } = (await openServerApi(options, io).json('DELETE', path)) as { connected: boolean; forgotten: boolean };
    const { escapeText } = await import('../escape.ts');
    const said = [
      connected ? 'its connection was ended' : 'it was not connected',
      forgotten ? 'its session was forgotten' : 'its session stays',
    ];
    await write(io.stderr, `${escapeText(id)}: ${said.join('; ')}\n`);
    return connected || forgotten ? EXIT.ok : EXIT.failed;
  },
});

export const clients: CommandDefinition = {
  name: 'clients',
  summary: 'list clients, show one with its history, end its connection',
  examples: [],
  commands: [ls, show, kick],
};
