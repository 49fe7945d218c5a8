import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isUrl } from '../access/options.ts';
import { errorText, HydrantError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { isObject, mergeObjects } from '../core/objects.ts';
import type { SourceKind } from '../sources/source.ts';
import type { LoadedConfig } from './config.ts';
import { inputJsonSchema, type SchemaNode } from './config-keys.ts';
import { type ConfigFault, type Origin, originText } from './config-origin.ts';
import type { Config } from './config-schema.ts';

/** A source as somebody wants it. */
export interface SourceSpec {
  /** Of the instance. */
  name: string;
  kind: SourceKind;
  /** As the kind's schema gives them. */
  options: unknown;
  strict: boolean;
}

/**
 * The sources of a configuration. What the kinds are is loaded only when there is one.
 * @throws HYD_CONFIG with the place of every mistake
 */
export async function readSourceSpecs({ config, given }: Pick<LoadedConfig, 'config' | 'given'>): Promise<SourceSpec[]> {
  const names = Object.keys(config.sources);
  if (names.length === 0) return [];
  const { SOURCES } = await import('../sources/registry.ts');
  const entry = given.get('sources');
  const originOf = (path: readonly PropertyKey[]): Origin => entry?.originOf?.(path) ?? entry?.origin ?? { from: 'default' };
  const faults: ConfigFault[] = [];
  const specs: SourceSpec[] = [];
  for (const name of names) {
    const { kind: kindName = name, strict = false, ...options } = config.sources[name]!;
    const kind = SOURCES.find((one) => one.name === kindName);
    if (!kind) faults.push({ origin: originOf([name]), message: `sources.${name}: ${unknownKind(kindName, SOURCES)}` });
    else {
      const read = readSourceOptions(kind, { options, base: baseOf(originOf([name])) });
      if (read.faults.length === 0) specs.push({ name, kind, options: read.options, strict });
      for (const { path, message } of read.faults)
        faults.push({ origin: originOf([name, ...path]), message: `sources.${[name, ...path].join('.')}: ${message}` });
    }
  }
  if (faults.length > 0)
    throw new HydrantError('HYD_CONFIG', faults.map(({ origin, message }) => `${originText(origin)}: ${message}`).join('\n'));
  return specs;
}

/** For people: what is not known to be no secret is `***`. */
export async function hideSourceSecrets(sources: Config['sources']): Promise<Record<string, unknown>> {
  if (Object.keys(sources).length === 0) return sources;
  const { SOURCES } = await import('../sources/registry.ts');
  const hidden = Object.entries(sources).map(([name, { kind: kindName, strict, ...options }]) => {
    const kind = SOURCES.find((one) => one.name === (kindName ?? name));
    const node = kind ? inputJsonSchema(kind.options) : {};
    return [name, { kind: kindName, strict, ...(hideSecrets(options, node) as Record<string, unknown>) }] as const;
  });
  return Object.fromEntries(hidden);
}

function hideSecrets(value: unknown, node: SchemaNode | undefined): unknown {
  if (!node || node.secret) return '***';
  if (Array.isArray(value) && node.items?.properties) return value.map((item) => hideSecrets(item, node.items));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, hideSecrets(part, node.properties?.[name])]));
}

function unknownKind(name: string, kinds: readonly SourceKind[]): string {
  const meant = nearest(
    name,
    kinds.map((kind) => kind.name),
  );
  return `there is no source ${JSON.stringify(name)}${meant ? `; did you mean ${meant}?` : ''}; kind is one of ${kinds.map((kind) => kind.name).join(', ')}`;
}

interface OptionFault {
  path: PropertyKey[];
  message: string;
}

/**
 * Reads the options of a kind: `<secret>File` is replaced by the text of the file, relative paths start at a folder, then the schema decides.
 * @param layers weakest first, sections merged; `base` is the folder that relative paths of one start from
 */
export function readSourceOptions(
  kind: SourceKind,
  ...layers: readonly { options: Record<string, unknown>; base: string }[]
): { options: unknown; faults: OptionFault[] } {
  const faults: OptionFault[] = [];
  const node = inputJsonSchema(kind.options);
  const settled = layers.map(({ options, base }) => settle(options, node, base, [], faults)).reduce<unknown>(mergeObjects, {});
  const parsed = kind.options.safeParse(settled);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [];
      for (const key of unknown) faults.push({ path: [...issue.path, key], message: unknownOption(key, issue.path, kind) });
      if (unknown.length === 0) faults.push({ path: issue.path, message: issue.message });
    }
  }
  return { options: parsed.data, faults };
}

function unknownOption(key: string, path: readonly PropertyKey[], kind: SourceKind): string {
  const section = path.reduce<SchemaNode | undefined>(
    (node, name) => node?.properties?.[String(name)] ?? node?.items,
    inputJsonSchema(kind.options),
  );
  const known = Object.keys(section?.properties ?? {});
  const meant = nearest(key, known);
  return `there is no such option; ${meant ? `did you mean ${meant}?` : `known here: ${known.join(', ')}`}`;
}

/** The values of one section, with files read and paths made absolute. */
function settle(
  given: Record<string, unknown>,
  node: SchemaNode,
  base: string,
  path: PropertyKey[],
  faults: OptionFault[],
): Record<string, unknown> {
  const settled: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const child = node.properties?.[name];
    const secret = name.endsWith('File') ? name.slice(0, -'File'.length) : '';
    if (node.properties?.[secret]?.secret && typeof value === 'string') readSecret(secret, name, resolve(base, value));
    else if (child?.path && typeof value === 'string' && value !== '' && value !== '-' && !isUrl(value))
      settled[name] = resolve(base, value);
    else if (child?.properties && isObject(value)) settled[name] = settle(value, child, base, [...path, name], faults);
    else if (child?.items?.properties && Array.isArray(value))
      settled[name] = value.map((item, i) => (isObject(item) ? settle(item, child.items!, base, [...path, name, i], faults) : item));
    else settled[name] = value;
  }
  return settled;

  function readSecret(secret: string, name: string, file: string): void {
    if (given[secret] !== undefined) faults.push({ path: [...path, name], message: `${secret} is given too; keep one of the two` });
    try {
      settled[secret] = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      faults.push({ path: [...path, name], message: `cannot be read: ${errorText(error)}` });
    }
  }
}

function baseOf(origin: Origin): string {
  return origin.from === 'file' ? dirname(origin.file) : '.';
}
