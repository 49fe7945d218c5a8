import { HydrantError } from '../../core/errors.ts';
import { defineCommand } from '../command.ts';
import type { ImportedArchiver } from '../import/seed-archiver.ts';
import { write } from '../io.ts';
import { dataOption } from '../options.ts';

export const archiveImport = defineCommand<{ data?: string }>({
  name: 'import-config',
  summary: 'turn a mqtt-archiver.yaml into a configuration of Hydrant',
  notes: [
    'Prints YAML; with --data writes it as hydrant.yaml into that folder, after which `hydrant archive --data DIR` is all it takes. It goes on with the session of mqtt-archiver at the broker: stop that program first, and nothing is missed between them.',
  ],
  examples: [
    ['hydrant archive import-config mqtt-archiver.yaml', 'look at it first'],
    ['hydrant archive import-config mqtt-archiver.yaml -d /var/lib/hydrant', 'put it into the data folder'],
  ],
  define: (command) => void command.argument('<file>', 'mqtt-archiver.yaml').addOption(dataOption()),
  async run({ args, options, io }) {
    const file = args[0]!;
    const [{ importSeedArchiver }, { checkConfig }] = await Promise.all([
      import('../import/seed-archiver.ts'),
      import('../../app/config.ts'),
    ]);
    const imported = importSeedArchiver(file);
    checkConfig(imported.config);
    const yaml = await toYaml(imported, file);
    if (options.data === undefined) await write(io.stdout, yaml);
    else await write(io.stderr, `written to ${await save(options.data, yaml)}\n`);
    return undefined;
  },
});

async function toYaml({ config, notes }: ImportedArchiver, file: string): Promise<string> {
  const { stringify } = await import('yaml');
  const lines = [`Made from ${file} by \`hydrant archive import-config\`.`];
  if (notes.length > 0) lines.push('', 'Not taken over:', ...notes.map((note) => `  ${note}`));
  const comment = lines.map((line) => `#${line === '' ? '' : ` ${line.replace(/\p{Cc}/gu, ' ')}`}\n`).join('');
  return `${comment}\n${stringify(config, { flowCollectionPadding: false, lineWidth: 0 })}`;
}

async function save(dir: string, yaml: string): Promise<string> {
  const [{ existsSync }, { makeFolder }, { join, resolve }, { writeFileAtomic }] = await Promise.all([
    import('node:fs'),
    import('../../core/files.ts'),
    import('node:path'),
    import('../../core/atomic-file.ts'),
  ]);
  const path = join(resolve(dir), 'hydrant.yaml');
  if (existsSync(path))
    throw new HydrantError('HYD_USAGE', `${path} is there already, and is not overwritten`, {
      fix: 'Give another folder with --data, or move that file away.',
    });
  await makeFolder(resolve(dir));
  await writeFileAtomic(path, yaml);
  return path;
}
