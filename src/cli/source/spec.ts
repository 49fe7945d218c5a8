import type { Command } from 'commander';
import { inputJsonSchema } from '../../app/config-keys.ts';
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
  if (kind.positional) command.argument(`<${kind.positional}...>`, 'what to run, behind --');
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
    ...envSecrets(kind, env),
    ...givenOptions(flags, options as Record<string, unknown>),
    ...(kind.positional && args.length > 0 && { [kind.positional]: args }),
  };
  const { options: settled, faults } = readSourceOptions(kind, { ...configured, ...given }, '.');
  if (faults.length > 0) throw usage(kind, faults);
  return { inputs, dataDir: loaded.dataDir, spec: { name, kind, options: settled, strict: options.strict ?? strict } };
}

/** `HYDRANT_SOURCE_PASSWORD` for `--password`, since others see a command line. */
function envSecrets(kind: SourceKind, env: NodeJS.ProcessEnv): Record<string, string> {
  const secrets = kindSecrets(kind).map(
    (name) => [name, env[`HYDRANT_SOURCE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`]] as const,
  );
  return Object.fromEntries(secrets.filter((secret): secret is readonly [string, string] => Boolean(secret[1])));
}

function kindSecrets({ options }: SourceKind): string[] {
  return Object.entries(inputJsonSchema(options).properties ?? {}).flatMap(([name, node]) => (node.secret ? [name] : []));
}

function usage(kind: SourceKind, faults: readonly { path: PropertyKey[]; message: string }[]): HydrantError {
  const missing = (message: string): boolean => /received undefined/.test(message);
  const lines = faults.map(({ path, message }) => `${flagName(path)}${missing(message) ? ' is needed' : `: ${message}`}`);
  return new HydrantError('HYD_USAGE', lines.join('\n'), {
    fix: `Run \`hydrant source ${kind.name} --help\` for what it takes; the same may stand in hydrant.yaml under sources.${kind.name}.`,
  });
}
