import type { Command } from 'commander';
import type { CommandDefinition } from '../command.ts';
import { defineCommand } from '../command.ts';
import { write } from '../io.ts';
import { collect, dataOption, type Format, outputOption } from '../options.ts';
import { chosenFormat, printRows } from '../rows.ts';

export interface ConfigOptions {
  config?: string;
  data?: string;
  set?: string[];
}

/** `--config`, `--data` and `--set`, which every reader of the configuration takes. */
export function addConfigOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'YAML configuration (default: HYDRANT_CONFIG, else hydrant.yaml in the data folder)')
    .addOption(dataOption())
    .option('--set <path=value>', 'set one key; wins over file and environment; repeatable', collect);
}

const check = defineCommand<ConfigOptions>({
  name: 'check',
  summary: 'check a configuration and say where each mistake is',
  examples: [
    ['hydrant config check -c hydrant.yaml', 'exit 0 when `up` would take it, 2 with file, line and key when not'],
    ['hydrant config check --set journal.rotate.age=2h', 'check a change before making it'],
  ],
  define: addConfigOptions,
  async run({ options, io }) {
    const [{ loadConfig }, { loadAccess }, { openTls }, { readSourceSpecs }] = await Promise.all([
      import('../../app/config.ts'),
      import('../../app/server-access.ts'),
      import('../../app/listeners.ts'),
      import('../../app/source-specs.ts'),
    ]);
    const loaded = loadConfig({ env: io.env, file: options.config, data: options.data, sets: options.set });
    loadAccess(loaded);
    await readSourceSpecs(loaded);
    await openTls(loaded.config, (level, message) => void io.stderr.write(`${level}: ${message}\n`));
    await write(io.stdout, `ok: ${loaded.file ?? 'no file; defaults and environment'} (data folder ${loaded.dataDir})\n`);
    return undefined;
  },
});

const show = defineCommand<ConfigOptions & { origin?: boolean; output?: Format }>({
  name: 'show',
  summary: 'print every key with the value in force',
  examples: [
    ['hydrant config show --origin', 'and where each value comes from'],
    ['hydrant config show -o ndjson | jq -r \'select(.origin != "default").path\'', 'the keys somebody has set'],
  ],
  define(command) {
    addConfigOptions(command).option('--origin', 'show where each value comes from, and what the key does').addOption(outputOption());
  },
  async run({ options, io }) {
    const [{ describeConfig, loadConfig }, { hideSourceSecrets }] = await Promise.all([
      import('../../app/config.ts'),
      import('../../app/source-specs.ts'),
    ]);
    const loaded = loadConfig({ env: io.env, file: options.config, data: options.data, sets: options.set });
    const sources = await hideSourceSecrets(loaded.config.sources);
    const keys = describeConfig(loaded).map((key) => (key.path === 'sources' ? { ...key, value: sources } : key));
    const columns = [
      { title: 'KEY', text: (key: (typeof keys)[number]) => key.path },
      {
        title: 'VALUE',
        text: (key: (typeof keys)[number]) => (typeof key.value === 'string' ? key.value : (JSON.stringify(key.value) ?? '-')),
      },
    ];
    if (options.origin) {
      columns.push({ title: 'FROM', text: (key) => key.origin }, { title: 'MEANING', text: (key) => key.description });
    }
    await printRows(io, chosenFormat(io, options.output), columns, keys);
    return undefined;
  },
});

const schema = defineCommand({
  name: 'schema',
  summary: 'print the JSON Schema of the configuration file',
  examples: [['hydrant config schema > hydrant.schema.json', 'for your editor: # yaml-language-server: $schema=hydrant.schema.json']],
  async run({ io }) {
    const { configJsonSchema } = await import('../../app/config.ts');
    await write(io.stdout, `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
    return undefined;
  },
});

export const config: CommandDefinition = {
  name: 'config',
  summary: 'check, show or describe the configuration',
  examples: [],
  commands: [check, show, schema],
};
