import { HydrantError } from '../../core/errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Imported } from '../import/mosquitto.ts';
import { write } from '../io.ts';
import { dataOption } from '../options.ts';

const mosquitto = defineCommand<{ data?: string; write?: boolean }>({
  name: 'mosquitto',
  summary: 'turn a mosquitto.conf into a configuration of Hydrant',
  notes: [
    'Reads the file, what it includes, and its password and ACL files; prints YAML. Accounts keep their passwords. Every line without a counterpart is a comment with file, line and reason.',
    'One thing differs: Mosquitto grants any subscription and delivers what may be read; here a subscription that is not allowed as a whole is refused.',
  ],
  examples: [
    ['hydrant import mosquitto /etc/mosquitto/mosquitto.conf', 'look at it first'],
    [
      'hydrant import mosquitto /etc/mosquitto/mosquitto.conf --write -d /var/lib/hydrant',
      'put hydrant.yaml and users into the data folder',
    ],
  ],
  define: (command) =>
    void command
      .argument('<file>', 'mosquitto.conf')
      .addOption(dataOption())
      .option('--write', 'write hydrant.yaml and users into the data folder'),
  async run({ args, options, io }) {
    const [{ importMosquitto }, { checkConfig }] = await Promise.all([import('../import/mosquitto.ts'), import('../../app/config.ts')]);
    const imported = importMosquitto(args[0]!);
    checkConfig(imported.config);
    const yaml = await toYaml(imported, args[0]!);
    if (!options.write) return write(io.stdout, yaml).then(() => undefined);
    const { resolveDataDir } = await import('../../app/data-dir.ts');
    await save(resolveDataDir(options.data, io.env), yaml, imported);
    await write(io.stderr, `written to ${resolveDataDir(options.data, io.env)}: hydrant.yaml${imported.accounts ? ', users' : ''}\n`);
    return undefined;
  },
});

/** Takes over the configuration of other brokers, and of programs that published to them. */
export const importCommand: CommandDefinition = {
  name: 'import',
  summary: 'take over the configuration of another broker, or of a program that published to it',
  examples: [],
  commands: [mosquitto],
  load: async () => (await import('../import/publisher-command.ts')).publisherCommands(),
};

async function toYaml({ config, accounts, notes }: Imported, file: string): Promise<string> {
  const { importedYaml } = await import('../import/imported-yaml.ts');
  const lines = [`Made from ${file} by \`hydrant import mosquitto\`.`];
  if (accounts)
    lines.push(`Accounts: ${[...accounts.keys()].join(', ') || 'none'}; --write puts them into the file users of the data folder.`);
  return importedYaml(config, lines, notes);
}

async function save(dataDir: string, yaml: string, { accounts }: Imported): Promise<void> {
  const [{ existsSync }, { makeFolder }, { join }, { writeAccounts }, { writeFileAtomic }] = await Promise.all([
    import('node:fs'),
    import('../../core/files.ts'),
    import('node:path'),
    import('../../access/password-file.ts'),
    import('../../core/atomic-file.ts'),
  ]);
  for (const name of accounts ? ['hydrant.yaml', 'users'] : ['hydrant.yaml']) {
    if (existsSync(join(dataDir, name)))
      throw new HydrantError('HYD_USAGE', `${join(dataDir, name)} is there already, and is not overwritten`, {
        fix: 'Give another folder with --data, or move that file away.',
      });
  }
  await makeFolder(dataDir);
  if (accounts) await writeAccounts(join(dataDir, 'users'), accounts);
  await writeFileAtomic(join(dataDir, 'hydrant.yaml'), yaml);
}
