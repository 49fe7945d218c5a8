import { dirname } from 'node:path';
import { HydrantError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { isObject } from '../core/objects.ts';
import type { SourceKind } from '../sources/source.ts';
import type { LoadedConfig } from './config.ts';
import { inputJsonSchema, type SchemaNode } from './config-keys.ts';
import { type Origin, originText } from './config-origin.ts';
import type { Config } from './config-schema.ts';
import { type OptionLayer, readSourceOptions } from './source-options.ts';

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
export async function readSourceSpecs(loaded: Pick<LoadedConfig, 'config' | 'given'>): Promise<SourceSpec[]> {
  const names = Object.keys(loaded.config.sources);
  if (names.length === 0) return [];
  const { SOURCES } = await import('../sources/registry.ts');
  const faults: string[] = [];
  const specs: SourceSpec[] = [];
  for (const name of names) {
    const { kind: kindName = name, strict, layer } = readSourceSection(loaded, name);
    const kind = SOURCES.find((one) => one.name === kindName);
    if (!kind) faults.push(`${layer.nameOf([])}: ${unknownKind(kindName, SOURCES)}`);
    else {
      const read = readSourceOptions(kind, [layer]);
      if (read.faults.length === 0) specs.push({ name, kind, options: read.options, strict });
      faults.push(...read.faults.map(({ text }) => text));
    }
  }
  if (faults.length > 0) throw new HydrantError('HYD_CONFIG', faults.join('\n'));
  return specs;
}

/** What the configuration says of one source, if anything. */
export function readSourceSection(
  { config, given }: Pick<LoadedConfig, 'config' | 'given'>,
  name: string,
): { kind: string | undefined; strict: boolean; layer: OptionLayer } {
  const { kind, strict = false, ...options } = config.sources[name] ?? {};
  const entry = given.get('sources');
  const originOf = (path: readonly PropertyKey[]): Origin => entry?.originOf?.([name, ...path]) ?? entry?.origin ?? { from: 'default' };
  const layer: OptionLayer = {
    options,
    nameOf: (path) => `${originText(originOf(path))}: ${['sources', name, ...path].join('.')}`,
    baseOf(path) {
      const origin = originOf(path);
      return origin.from === 'file' ? dirname(origin.file) : '.';
    },
  };
  return { kind, strict, layer };
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
  const all = kinds.map((kind) => kind.name).join(', ');
  return `there is no source ${JSON.stringify(name)}${meant ? `; did you mean ${meant}?` : ''}; one with a name of your own says its kind: ${all}`;
}
