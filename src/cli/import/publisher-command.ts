import { type CommandDefinition, defineCommand } from '../command.ts';
import { write } from '../io.ts';
import type { ImportedPublisher } from './import-publisher.ts';
import { PUBLISHERS, type Publisher } from './publishers.ts';

/** A command for each publisher of the firehose. */
export function publisherCommands(): CommandDefinition[] {
  return PUBLISHERS.map((publisher) => {
    const { name, kind } = publisher;
    const file = name.endsWith('worker') ? `${name}.yaml` : `/etc/${name}.conf`;
    return defineCommand({
      name,
      summary: `turn the configuration of ${name} into that of the source ${kind}`,
      notes: [
        'Prints YAML with a section sources, for the hydrant.yaml of a server or of `hydrant source`. Every key without a counterpart is a comment with file, line and reason.',
      ],
      examples: [
        [`hydrant import ${name} ${file}`, 'look at it first'],
        [`hydrant import ${name} ${file} > hydrant.yaml`, 'then keep it'],
      ],
      define: (command) => void command.argument('<file>', `the configuration file of ${name}`),
      async run({ args, io }) {
        const [{ importPublisher }, { checkConfig }] = await Promise.all([import('./import-publisher.ts'), import('../../app/config.ts')]);
        const imported = importPublisher(publisher, args[0]!);
        checkConfig(imported.config);
        await write(io.stdout, await toYaml(publisher, imported, args[0]!));
        return undefined;
      },
    });
  });
}

async function toYaml({ name, remarks }: Publisher, { config, bus, notes }: ImportedPublisher, file: string): Promise<string> {
  const { importedYaml } = await import('./imported-yaml.ts');
  const lines = [`Made from ${file} by \`hydrant import ${name}\`.`, ...remarks];
  if (bus.length > 0) lines.push('', ...bus);
  return importedYaml(config, lines, notes);
}
