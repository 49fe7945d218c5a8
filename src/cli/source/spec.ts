import { dirname } from 'node:path';
import type { Command } from 'commander';
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
  if (kind.positional) command.argument(`[${kind.positional}...]`, 'what to run, behind --');
  command.optionsGroup('Source:');
  addKindFlags(command, flags);
  command.optionsGroup('Options:');
  return addConfigOptions(command)
    .option('--name <name>', `name of this one: its section in the configuration, its folder, its label in metrics (default: ${kind.name})`)
    .option('--strict', 'refuse events that do not match their schema (default: publish and count them)');
}

/**
 * The source that a command line means: its section of the configuration, with the flags over it.
 * @throws HYD_CONFIG, HYD_USAGE
 */
export async function readSpec(
  kind: SourceKind,
  flags: readonly KindFlag[],
  call: { args: string[]; options: SpecOptions; env: NodeJS.ProcessEnv },
) {
  const { args, options, env } = call;
  const [{ loadConfig }, { SOURCE_NAME }, { readSourceOptions }] = await Promise.all([
    import('../../app/config.ts'),
    import('../../app/config-schema.ts'),
    import('../../app/source-specs.ts'),
  ]);
  const inputs = { env, file: options.config, data: options.data, sets: options.set };
  const loaded = loadConfig(inputs);
  const name = options.name ?? kind.name;
  if (!SOURCE_NAME.test(name))
    throw new HydrantError('HYD_USAGE', `--name ${JSON.stringify(name)}: letters, digits, ., - and _ make a name`);
  const { kind: kindName = kind.name, strict = false, ...configured } = loaded.config.sources[name] ?? {};
  if (kindName !== kind.name)
    throw new HydrantError('HYD_USAGE', `sources.${name} of the configuration is a ${kindName}, not a ${kind.name}`);
  const given = {
    ...givenOptions(flags, { ...envSecrets(flags, env, options as Record<string, unknown>), ...options }),
    ...(kind.positional && args.length > 0 && { [kind.positional]: args }),
  };
  const { options: settled, faults } = readSourceOptions(
    kind,
    { options: configured, base: loaded.file ? dirname(loaded.file) : '.' },
    { options: given, base: '.' },
  );
  if (faults.length > 0) throw usage(kind, faults);
  return { inputs, dataDir: loaded.dataDir, spec: { name, kind, options: settled, strict: options.strict ?? strict } };
}

/** `HYDRANT_SOURCE_PASSWORD` for `--password`, since others see a command line. A flag, or that of its file, wins. */
function envSecrets(flags: readonly KindFlag[], env: NodeJS.ProcessEnv, given: Record<string, unknown>): Record<string, string> {
  const secrets = flags.flatMap(({ path, option, isSecret }) => {
    const name = option.attributeName();
    const value = env[`HYDRANT_SOURCE_${flagName(path).slice(2).replaceAll('-', '_').toUpperCase()}`];
    return isSecret && value && given[`${name}File`] === undefined ? [[name, value] as const] : [];
  });
  return Object.fromEntries(secrets);
}

function usage(kind: SourceKind, faults: readonly { path: PropertyKey[]; message: string }[]): HydrantError {
  const missing = (message: string): boolean => /received undefined/.test(message);
  const nameOf = (path: PropertyKey[]): string => (path[0] === kind.positional ? `${kind.positional} behind --` : flagName(path));
  const lines = faults.map(({ path, message }) => `${nameOf(path)}${missing(message) ? ' is needed' : `: ${message}`}`);
  return new HydrantError('HYD_USAGE', lines.join('\n'), {
    fix: `Run \`hydrant source ${kind.name} --help\` for what it takes; the same may stand in hydrant.yaml under sources.${kind.name}.`,
  });
}
