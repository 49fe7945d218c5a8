import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { HydrantError } from '../core/errors.ts';
import { inputJsonSchema } from './config-keys.ts';
import { type ReadConfig, readConfig } from './config-loader.ts';
import { type ConfigEntry, originText } from './config-origin.ts';
import { configFaults } from './config-rules.ts';
import { type Config, configSchema } from './config-schema.ts';
import { resolveDataDir } from './data-dir.ts';

/** What the command line and the environment say about the configuration. */
export interface ConfigInputs {
  env: NodeJS.ProcessEnv;
  /** --config */
  file?: string;
  /** --data */
  data?: string;
  /** --set path=value, in order. */
  sets?: readonly string[];
  /** Values of flags that have a key of their own. */
  flags?: readonly ConfigEntry[];
}

export interface LoadedConfig extends ReadConfig<Config> {
  /** Absolute path of the data folder; it need not exist yet. */
  dataDir: string;
  /** Absolute path of the YAML file that was read, if any. */
  file?: string;
  /** What it was loaded from, so that a reload reads the same again. */
  inputs: ConfigInputs;
}

/**
 * Loads the configuration: defaults < file < `HYDRANT_*` < --set and --data.
 * The file is --config, else HYDRANT_CONFIG, else `hydrant.yaml` in the data folder when there is one.
 * @throws HYD_CONFIG with file, line, column and key of every mistake; HYD_USAGE for a --set without `=`
 */
export function loadConfig(inputs: ConfigInputs): LoadedConfig {
  const named = inputs.file ?? (inputs.env.HYDRANT_CONFIG || undefined);
  const dataFlag = inputs.data ?? inputs.sets?.findLast((set) => set.startsWith('data='))?.slice('data='.length);
  const found = join(resolveDataDir(dataFlag, inputs.env), 'hydrant.yaml');
  const chosen = named ?? (existsSync(found) ? found : undefined);
  const file = chosen === undefined ? undefined : resolve(chosen);
  const read = readConfig(configSchema, { file, env: inputs.env, sets: inputs.sets, flags: inputs.flags }, configFaults);
  const entry = read.given.get('data');
  const inFile = entry?.origin.from === 'file' ? entry.origin : undefined;
  if (inFile && named === undefined) {
    throw new HydrantError('HYD_CONFIG', `${originText(inFile)}: this file was found in the data folder, so it cannot name another one`, {
      fix: 'Remove the key data, or keep the file elsewhere and give it with --config FILE.',
    });
  }
  const useFile = inFile && !dataFlag && !inputs.env.HYDRANT_DATA;
  const dataDir = useFile ? resolve(dirname(file!), read.config.data!) : resolveDataDir(dataFlag, inputs.env);
  return { ...read, dataDir, file, inputs };
}

/** One key for `hydrant config show`. */
export interface DescribedKey {
  path: string;
  /** As written by whoever gave it, or the default; secrets are `***`; undefined when there is none. */
  value: unknown;
  /** `default`, `hydrant.yaml:3:11`, `environment HYDRANT_LOG_LEVEL` or `flag --set log.level`. */
  origin: string;
  description: string;
}

/** Every key with its value and where the value came from, in the schema's order. */
export function describeConfig(loaded: LoadedConfig): DescribedKey[] {
  const { keys, given, dataDir } = loaded;
  return [...keys.keys.values()].map(({ path, node }) => {
    const entry = given.get(path);
    const described = { path, description: node.description ?? '' };
    if (path === 'data') return { ...described, value: dataDir, origin: dataOrigin(loaded) };
    if (!entry) return { ...described, value: node.default, origin: 'default' };
    return { ...described, value: node.secret ? '***' : entry.value, origin: originText(entry.origin) };
  });
}

function dataOrigin({ given, inputs }: LoadedConfig): string {
  const origin = given.get('data')?.origin ?? ({ from: 'default' } as const);
  if (inputs.data) return 'flag --data';
  return inputs.env.HYDRANT_DATA && origin.from !== 'flag' ? 'environment HYDRANT_DATA' : originText(origin);
}

/** JSON Schema (2020-12) of the configuration file, for editors and for `hydrant config schema`. */
export function configJsonSchema(): object {
  return { title: 'Hydrant configuration', ...inputJsonSchema(configSchema) };
}

/**
 * Checks a configuration that a program made.
 * @throws HYD_CONFIG
 */
export function checkConfig(config: Record<string, unknown>): void {
  const parsed = configSchema.safeParse(config);
  const faults = parsed.success
    ? configFaults(parsed.data).map(({ message }) => message)
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  if (faults.length > 0) throw new HydrantError('HYD_CONFIG', faults.join('\n'), { fix: 'Correct what it was made from.' });
}
