import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { isUrl } from '../access/options.ts';
import { errorText, HydrantError } from '../core/errors.ts';
import { isObject, mergeObjects } from '../core/objects.ts';
import { readConfigEnv, readConfigSets, readSecret } from './config-env.ts';
import { parseConfigFile } from './config-file.ts';
import { type ConfigKeys, expectedWords, listKeys } from './config-keys.ts';
import { type ConfigEntry, type ConfigFault, type Origin, originText } from './config-origin.ts';
import type { ConfigRuleFault } from './config-rules.ts';

/** What a configuration is made from, weakest first: the schema's defaults, the file, the environment, the flags. */
export interface ConfigSources {
  /** Path of the YAML file, or undefined for none. */
  file?: string;
  env: NodeJS.ProcessEnv;
  /** `path=value` of every --set, in order; the last one wins. */
  sets?: readonly string[];
  /** Values of flags that have a key of their own. */
  flags?: readonly ConfigEntry[];
}

export interface ReadConfig<T> {
  config: T;
  keys: ConfigKeys;
  /** The entry that gave each key its value; keys that are not here have their default. */
  given: Map<string, ConfigEntry>;
}

/**
 * Reads, merges and checks a configuration. All mistakes are reported together, each with where it is.
 * @param rules further checks of the whole, after every key is right
 * @throws HYD_CONFIG, one line per mistake; HYD_USAGE when a --set has no `=`
 */
export function readConfig<S extends z.ZodType>(
  schema: S,
  sources: ConfigSources,
  rules: (config: z.output<S>) => ConfigRuleFault[] = () => [],
): ReadConfig<z.output<S>> {
  const keys = listKeys(schema);
  const sets = readConfigSets(sources.sets ?? [], keys);
  const ofFlags = [...sets.entries.filter(({ isPart }) => !isPart), ...(sources.flags ?? [])].map(({ path }) => path);
  const layers = [readFileLayer(sources.file, keys), readConfigEnv(sources.env, keys, new Set(ofFlags)), sets];
  const faults = layers.flatMap((layer) => layer.faults);
  const given = new Map<string, ConfigEntry>();
  for (const entry of [...layers.flatMap((layer) => layer.entries), ...(sources.flags ?? [])]) given.set(entry.path, joined(given, entry));
  readSecretFiles(given, keys, faults);
  const parsed = schema.safeParse(nest(given, keys));
  if (!parsed.success) for (const issue of parsed.error.issues) faults.push(issueFault(issue, given, keys));
  if (faults.length > 0) throw configError(faults);
  const config = parsed.data as z.output<S>;
  const broken = rules(config).map(({ path, message }) => ({ origin: given.get(path)?.origin ?? ({ from: 'default' } as const), message }));
  if (broken.length > 0) throw configError(broken);
  return { config, keys, given };
}

/** A part of a map goes into what is there, which stays where it came from. */
function joined(given: Map<string, ConfigEntry>, entry: ConfigEntry): ConfigEntry {
  const below = given.get(entry.path);
  if (!entry.isPart || !below) return entry;
  const { origin, value: part } = entry;
  const originOf = (names: readonly PropertyKey[]): Origin =>
    gives(part, names) || !isObject(below.value) || below.value[String(names[0])] === undefined
      ? origin
      : (below.originOf?.(names) ?? below.origin);
  return { ...entry, value: mergeObjects(below.value, part), originOf };
}

/** Whether a part says what stands under these names, or a value that they are in. */
function gives(part: unknown, names: readonly PropertyKey[]): boolean {
  let at = part;
  for (const name of names) if (isObject(at)) at = at[String(name)];
  return at !== undefined && !isObject(at);
}

function readFileLayer(file: string | undefined, keys: ConfigKeys): { entries: ConfigEntry[]; faults: ConfigFault[] } {
  if (file === undefined) return { entries: [], faults: [] };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new HydrantError('HYD_CONFIG', `cannot read the configuration ${file}: ${errorText(error)}`, {
      cause: error,
      fix: 'Give a file that exists and is readable with --config FILE.',
    });
  }
  return parseConfigFile(text, file, keys);
}

/** Weakest first. */
const STRENGTH = ['default', 'file', 'env', 'flag'];

/** `passwordFile: /run/secrets/x` becomes `password`, when nothing stronger gave a password. */
function readSecretFiles(given: Map<string, ConfigEntry>, keys: ConfigKeys, faults: ConfigFault[]): void {
  for (const { path, node } of keys.keys.values()) {
    const entry = node.secret ? given.get(`${path}File`) : undefined;
    if (!entry) continue;
    given.delete(entry.path);
    const direct = given.get(path);
    if (direct?.origin.from === entry.origin.from)
      faults.push({ origin: entry.origin, message: `${path} is given too; keep one of the two` });
    else if (!direct || STRENGTH.indexOf(direct.origin.from) < STRENGTH.indexOf(entry.origin.from)) {
      try {
        given.set(path, { path, value: readSecret(String(absolutePath(entry))), origin: entry.origin });
      } catch (error) {
        faults.push({ origin: entry.origin, message: `${entry.path}: ${errorText(error)}` });
      }
    }
  }
}

function nest(given: Map<string, ConfigEntry>, keys: ConfigKeys): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const entry of given.values()) {
    const names = entry.path.split('.');
    let at = root;
    for (const name of names.slice(0, -1)) {
      at[name] ??= {};
      at = at[name] as Record<string, unknown>;
    }
    at[names.at(-1)!] = keys.keys.get(entry.path)?.node.path ? absolutePath(entry) : entry.value;
  }
  return root;
}

/** A path in the file starts at the file's folder, any other at the working folder; a URL stays as it is. */
function absolutePath({ value, origin }: ConfigEntry): unknown {
  if (typeof value !== 'string' || value === '') return value;
  if (isUrl(value)) return value;
  return origin.from === 'file' ? resolve(dirname(origin.file), value) : resolve(value);
}

function issueFault(issue: z.core.$ZodIssue, given: Map<string, ConfigEntry>, keys: ConfigKeys): ConfigFault {
  const names = issue.path.map(String);
  while (names.length > 0 && !keys.keys.has(names.join('.'))) names.pop();
  const path = names.join('.');
  const key = keys.keys.get(path);
  const entry = given.get(path);
  if (key?.node.additionalProperties && entry) return partFault(issue, entry);
  const origin: Origin = entry?.origin ?? { from: 'default' };
  const expected = issue.message.startsWith('expected ') || !key ? issue.message : `expected ${expectedWords(key.node)}`;
  const value = key?.node.secret ? '***' : shown(entry?.value);
  return { origin, message: `${path} is ${value}: ${expected}` };
}

/** A mistake inside a map: the list or value at fault is named with its own place. */
function partFault(issue: z.core.$ZodIssue, { path, value, origin, originOf }: ConfigEntry): ConfigFault {
  const names = issue.path.slice(path.split('.').length);
  const list = names.findIndex((name) => typeof name === 'number');
  if (list !== -1) names.length = list;
  const part = names.reduce<unknown>((at, name) => (at as Record<PropertyKey, unknown>)[name], value);
  const why = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  // A map may hold secrets.
  const what = isObject(part) ? '' : ` is ${shown(part)}`;
  const message = `${[path, ...names].join('.')}${what}: ${why}`;
  return { origin: originOf?.(names) ?? origin, message };
}

/** As it was given, but for an account in a URL. */
function shown(value: unknown): string | undefined {
  return JSON.stringify(value)?.replaceAll(/:\/\/[^/@"\s]*@/g, '://***@');
}

function configError(faults: ConfigFault[]): HydrantError {
  const isOfFlags = faults.every(({ origin }) => origin.from === 'flag');
  const fix = isOfFlags ? 'Correct the option named above; docs/reference/config.md has every key.' : undefined;
  return new HydrantError('HYD_CONFIG', faults.map((fault) => `${originText(fault.origin)}: ${fault.message}`).join('\n'), { fix });
}
