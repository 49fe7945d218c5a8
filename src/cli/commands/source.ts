import { type CommandDefinition, defineCommand } from '../command.ts';
import { type Format, outputOption } from '../options.ts';
import { chosenFormat, printRows } from '../rows.ts';
import { addConfigOptions, type ConfigOptions } from './config.ts';

const ls = defineCommand<ConfigOptions & { output?: Format }>({
  name: 'ls',
  summary: 'list the kinds of sources, and which are configured',
  examples: [['hydrant source ls', 'what there is']],
  define: (command) => void addConfigOptions(command).addOption(outputOption()),
  async run({ options, io }) {
    const [{ loadConfig }, { SOURCES }] = await Promise.all([import('../../app/config.ts'), import('../../sources/registry.ts')]);
    const { config } = loadConfig({ env: io.env, file: options.config, data: options.data, sets: options.set });
    const configured = Object.entries(config.sources).map(([name, { kind = name }]) => ({ name, kind }));
    const rows = SOURCES.map(({ name, summary }) => ({
      kind: name,
      summary,
      configured: configured.filter(({ kind }) => kind === name).map((one) => one.name),
    }));
    const columns = [
      { title: 'KIND', text: (row: (typeof rows)[number]) => row.kind },
      { title: 'CONFIGURED', text: (row: (typeof rows)[number]) => row.configured.join(', ') || '-' },
      { title: 'WHAT', text: (row: (typeof rows)[number]) => row.summary },
    ];
    await printRows(io, chosenFormat(io, options.output), columns, rows);
    return undefined;
  },
});

export const source: CommandDefinition = {
  name: 'source',
  summary: 'publish what happens elsewhere: code review, bug mail, CI results, webhooks, files, pipes',
  examples: [],
  commands: [ls],
  load: async () => (await import('../source/commands.ts')).sourceCommands(),
};
