import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { errorText, HydrantError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { unknownKey } from './config-file.ts';
import type { ConfigKey, ConfigKeys, SchemaNode } from './config-keys.ts';
import type { ConfigEntry, ConfigFault, Origin } from './config-origin.ts';

/** Variables that are not keys: where the data and the file are, what clients use, what tests use. */
const RESERVED = new Set(
  ['DATA', 'CONFIG', 'URL', 'USER', 'PASSWORD', 'PASSWORD_FILE', 'CRASH', 'DEBUG', 'BIN'].map((name) => `HYDRANT_${name}`),
);

/** Secrets of `hydrant source NAME`. */
const OF_SOURCES = /^HYDRANT_SOURCE_/;

/** What Kubernetes sets in every pod beside a service called hydrant. */
const KUBERNETES = /^HYDRANT_(?:SERVICE_(?:HOST|PORT\w*)|PORT(?:_\d+_(?:TCP|UDP|SCTP)\w*)?)$/;

/**
 * `HYDRANT_LISTENERS_MQTT_PORT=1884` sets listeners.mqtt.port; `…_FILE=path` takes the value from a file. An empty variable counts as unset.
 * @param overridden keys that something stronger sets: their files are not read
 */
export function readConfigEnv(
  env: NodeJS.ProcessEnv,
  known: ConfigKeys,
  overridden: ReadonlySet<string>,
): { entries: ConfigEntry[]; faults: ConfigFault[] } {
  const entries: ConfigEntry[] = [];
  const faults: ConfigFault[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('HYDRANT_') || !text || RESERVED.has(name) || OF_SOURCES.test(name) || KUBERNETES.test(name)) continue;
    const origin: Origin = { from: 'env', name };
    const key = known.byEnv.get(name);
    const fileKey = name.endsWith('_FILE') ? known.byEnv.get(name.slice(0, -'_FILE'.length)) : undefined;
    if (key) add(key, origin, () => text, entries, faults);
    else if (!fileKey) {
      const meant = nearest(name, known.byEnv.keys());
      faults.push({ origin, message: `no key has this variable${meant ? `; did you mean ${meant}?` : ''}` });
    } else if (env[fileKey.env] !== undefined) faults.push({ origin, message: `${fileKey.env} is set too; keep one of the two` });
    else if (!overridden.has(fileKey.path)) add(fileKey, origin, () => readSecret(text), entries, faults);
  }
  return { entries, faults };
}

/** `--set listeners.mqtt.port=0`: the value is YAML, except for text keys, where it is taken as it stands. */
export function readConfigSets(sets: readonly string[], known: ConfigKeys): { entries: ConfigEntry[]; faults: ConfigFault[] } {
  const entries: ConfigEntry[] = [];
  const faults: ConfigFault[] = [];
  for (const set of sets) {
    const equals = set.indexOf('=');
    if (equals < 1) throw new HydrantError('HYD_USAGE', `--set ${set}: expected path=value, such as --set listeners.mqtt.port=0`);
    const path = set.slice(0, equals);
    const origin: Origin = { from: 'flag', flag: `--set ${path}` };
    const key = known.keys.get(path);
    const part = key ? undefined : findPart(path, known);
    if (key) add(key, origin, () => set.slice(equals + 1), entries, faults);
    else if (part) addPart(part, origin, set.slice(equals + 1), entries, faults);
    else if (known.sections.has(path)) {
      faults.push({ origin, message: `${path} is a section; set one of its keys: ${known.sections.get(path)!.join(', ')}` });
    } else faults.push({ origin, message: unknownKey(path, known) });
  }
  return { entries, faults };
}

function add(key: ConfigKey, origin: Origin, text: () => string, entries: ConfigEntry[], faults: ConfigFault[]): void {
  try {
    const value = text();
    const isText = key.node.type === 'string' && key.node.enum === undefined;
    entries.push({ path: key.path, value: isText ? value : parse(value), origin });
  } catch (error) {
    faults.push({ origin, message: `${key.path}: ${errorText(error)}` });
  }
}

/** `acl.ann.publish`: a key that maps names, and the names below it. */
function findPart(path: string, known: ConfigKeys): { key: ConfigKey; names: string[] } | undefined {
  for (const key of known.keys.values()) {
    if (!key.node.additionalProperties || !path.startsWith(`${key.path}.`)) continue;
    const [name = '', ...inner] = path.slice(key.path.length + 1).split('.');
    const node = inner.reduce<SchemaNode | undefined>(
      (at, child) => at?.properties?.[child] ?? (at?.additionalProperties || (at && allowsAll(at) ? at : undefined)),
      key.node.additionalProperties,
    );
    if (name !== '' && node) return { key, names: [name, ...inner] };
  }
  return undefined;
}

/** Such as an option of a source, which its kind knows. */
function allowsAll(node: SchemaNode): boolean {
  return Object.keys(node).length === 0;
}

function addPart(
  { key, names }: { key: ConfigKey; names: string[] },
  origin: Origin,
  text: string,
  entries: ConfigEntry[],
  faults: ConfigFault[],
): void {
  const own: ConfigEntry[] = [];
  add(key, origin, () => text, own, faults);
  for (const { path, value } of own) {
    const part = names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
    entries.push({ path, value: part, origin, isPart: true });
  }
}

/** The text of a secret's file without its last newline. */
export function readSecret(path: string): string {
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
}
