import type { Command } from 'commander';
import type { OptionLayer } from '../../app/source-options.ts';
import { HydrantError } from '../../core/errors.ts';
import type { SourceKind } from '../../sources/source.ts';
import { addConfigOptions, type ConfigOptions } from '../commands/config.ts';
import { addKindFlags, flagName, givenOptions, type KindFlag } from './kind-flags.ts';

/** Which source is meant. */
export interface SpecOptions extends ConfigOptions {
  name?: string;
  strict?: boolean;
}

export function addSpecOptions(command: Command, kind: SourceKind, flags: readonly KindFlag[]): Command {
  if (kind.positional) {
    // Flags behind its first word are its own, also without --.
    command.parent?.enablePositionalOptions();
    command.passThroughOptions().argument(`[${kind.positional}...]`, 'what to run, behind --');
  }
  command.optionsGroup('Source:');
  addKindFlags(command, flags);
  command.optionsGroup('Options:');
  return addConfigOptions(command)
    .option('--name <name>', `name of this one: its section in the configuration, its folder, its label in metrics (default: ${kind.name})`)
    .option('--strict', 'refuse events that do not match their schema (default: publish and count them)');
}

/**
 * The source that a command line means: its section of the configuration, secrets of the environment over it, and the flags over both.
 * @throws HYD_CONFIG for a mistake in the configuration, with its place; HYD_USAGE
 */
export async function readSpec(
  kind: SourceKind,
  flags: readonly KindFlag[],
  call: { args: string[]; options: SpecOptions; env: NodeJS.ProcessEnv },
) {
  const { args, options, env } = call;
  const [{ loadConfig }, { SOURCE_NAME }, { readSourceOptions }, { readSourceSection }] = await Promise.all([
    import('../../app/config.ts'),
    import('../../app/config-schema.ts'),
    import('../../app/source-options.ts'),
    import('../../app/source-specs.ts'),
  ]);
  const inputs = { env, file: options.config, data: options.data, sets: options.set };
  const loaded = loadConfig(inputs);
  const name = options.name ?? kind.name;
  if (!SOURCE_NAME.test(name))
    throw new HydrantError('HYD_USAGE', `--name ${JSON.stringify(name)}: letters, digits, ., - and _ make a name`);
  const section = readSourceSection(loaded, name);
  if (section.kind !== undefined && section.kind !== kind.name)
    throw new HydrantError('HYD_USAGE', `${section.layer.nameOf(['kind'])}: it is ${section.kind}, not ${kind.name}`, {
      fix: `Run \`hydrant source ${section.kind}\`, or give this one another --name.`,
    });
  const layers = [section.layer, envLayer(flags, env), flagLayer(kind, flags, { args, options })];
  const { options: settled, faults } = readSourceOptions(kind, layers);
  if (faults.length > 0) {
    const isConfigured = faults.some(({ layer }) => layer === section.layer);
    const fix = `Run \`hydrant source ${kind.name} --help\` for what it takes; the same may stand in hydrant.yaml under sources.${name}.`;
    throw new HydrantError(
      isConfigured ? 'HYD_CONFIG' : 'HYD_USAGE',
      faults.map(({ text }) => text).join('\n'),
      isConfigured ? {} : { fix },
    );
  }
  return { inputs, dataDir: loaded.dataDir, spec: { name, kind, options: settled, strict: options.strict ?? section.strict } };
}

/** `HYDRANT_SOURCE_PASSWORD` for `--password`, since others see a command line. */
function envLayer(flags: readonly KindFlag[], env: NodeJS.ProcessEnv): OptionLayer {
  const variable = (path: readonly PropertyKey[]): string => `HYDRANT_SOURCE_${flagName(path).slice(2).replaceAll('-', '_').toUpperCase()}`;
  const secrets = flags.filter(({ isSecret }) => isSecret);
  const given = Object.fromEntries(secrets.map(({ path, option }) => [option.attributeName(), env[variable(path)] || undefined]));
  return { options: givenOptions(secrets, given), nameOf: (path) => `environment ${variable(path)}`, baseOf: () => '.' };
}

function flagLayer(kind: SourceKind, flags: readonly KindFlag[], { args, options }: { args: string[]; options: SpecOptions }): OptionLayer {
  const { positional } = kind;
  const given = givenOptions(flags, { ...options });
  return {
    options: positional && args.length > 0 ? { ...given, [positional]: args } : given,
    nameOf: (path) => (path[0] === positional ? `${positional} behind --` : flagName(path)),
    baseOf: () => '.',
  };
}
