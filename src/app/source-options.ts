import { resolve } from 'node:path';
import type { z } from 'zod';
import { isUrl } from '../access/options.ts';
import { errorText } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { isObject, mergeObjects } from '../core/objects.ts';
import type { SourceKind } from '../sources/source.ts';
import { readSecret } from './config-env.ts';
import { expectedWords, inputJsonSchema, type SchemaNode } from './config-keys.ts';

type Path = readonly PropertyKey[];

/** Messages of zod itself. */
const BARE = /^(Invalid|Too) /;

/** Options of a source that were given in one place: a section of the configuration, flags. */
export interface OptionLayer {
  options: Record<string, unknown>;
  /** Where an option is, and its name there. */
  nameOf(path: Path): string;
  /** The folder that its relative path starts from. */
  baseOf(path: Path): string;
}

/** One mistake: who has to correct it, and a line that says where and what. */
export interface OptionFault {
  layer: OptionLayer;
  text: string;
}

/**
 * Reads the options of a kind: `<secret>File` is replaced by the text of the file, relative paths by absolute ones, then the schema decides.
 * @param layers weakest first, sections merged; a file of which a stronger layer has the secret is not read
 */
export function readSourceOptions(kind: SourceKind, layers: readonly OptionLayer[]): { options: unknown; faults: OptionFault[] } {
  const reader = new Reader(kind, layers);
  return { options: reader.read(), faults: reader.faults };
}

class Reader {
  readonly faults: OptionFault[] = [];
  readonly #kind: SourceKind;
  readonly #node: SchemaNode;
  readonly #layers: readonly OptionLayer[];
  /** Secrets whose file could not be read: what the schema says of them is no news. */
  readonly #unread = new Set<string>();

  constructor(kind: SourceKind, layers: readonly OptionLayer[]) {
    this.#kind = kind;
    this.#node = inputJsonSchema(kind.options);
    this.#layers = layers;
  }

  read(): unknown {
    const merged = this.#layers.map((layer) => this.#settle(layer, layer.options, this.#node, [])).reduce<unknown>(mergeObjects, {});
    const given = readFiles(merged);
    const { success, data, error } = this.#kind.options.safeParse(given);
    if (success) return data;
    for (const issue of error.issues) {
      if (issue.code === 'unrecognized_keys')
        for (const key of issue.keys) this.#fault([...issue.path, key], `: ${this.#unknown(key, issue.path)}`);
      else if (issue.code !== 'custom' && valueAt(given, issue.path) === undefined) this.#fault(issue.path, needed(issue));
      else this.#fault(issue.path, `: ${this.#why(issue, valueAt(given, issue.path))}`);
    }
    return undefined;
  }

  /** The values of one section, with paths made absolute, and a function where a file is to be read. */
  #settle(layer: OptionLayer, given: Record<string, unknown>, node: SchemaNode, path: Path): Record<string, unknown> {
    const settled: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(given)) {
      const at = [...path, name];
      const child = node.properties?.[name];
      const secret = name.endsWith('File') ? name.slice(0, -'File'.length) : '';
      if (node.properties?.[secret]?.secret && typeof value === 'string') {
        if (given[secret] !== undefined) this.faults.push(faultOf(layer, at, `: ${secret} is given too; keep one of the two`));
        settled[secret] = () => this.#readSecret(layer, at, [...path, secret], resolve(layer.baseOf(at), value));
      } else if (child?.path && typeof value === 'string' && value !== '' && value !== '-' && !isUrl(value))
        settled[name] = resolve(layer.baseOf(at), value);
      else if (child?.properties && isObject(value)) settled[name] = this.#settle(layer, value, child, at);
      else if (child?.items?.properties && Array.isArray(value))
        settled[name] = value.map((item, i) => (isObject(item) ? this.#settle(layer, item, child.items!, [...at, i]) : item));
      else settled[name] = value;
    }
    return settled;
  }

  #readSecret(layer: OptionLayer, at: Path, secret: Path, file: string): string | undefined {
    try {
      const text = readSecret(file);
      if (text !== '') return text;
      this.faults.push(faultOf(layer, at, `: ${file} is empty`));
    } catch (error) {
      this.faults.push(faultOf(layer, at, `: cannot be read: ${errorText(error)}`));
    }
    this.#unread.add(secret.join('.'));
    return undefined;
  }

  /** A mistake is that of the strongest layer that has the option, or most of the sections that it should stand in. */
  #fault(path: Path, what: string): void {
    if (this.#unread.has(path.join('.'))) return;
    const [strongest, ...others] = this.#layers.map((layer) => ({ layer, names: namesIn(layer, path) })).reverse();
    const { layer, names } = others.reduce((best, one) => (one.names.length > best.names.length ? one : best), strongest!);
    this.faults.push(faultOf(layer, [...names, ...path.slice(names.length)], what));
  }

  /** What the schema says without words of its own is said in ours. */
  #why({ message, path }: z.core.$ZodIssue, value: unknown): string {
    const node = this.#nodeAt(path);
    if (!node || !BARE.test(message)) return message;
    const isBareText = node.type === 'string' && !node.enum && (typeof value === 'number' || typeof value === 'boolean');
    return `expected ${expectedWords(node)}${isBareText ? '; in quotes it is one' : ''}`;
  }

  #nodeAt(path: Path): SchemaNode | undefined {
    return path.reduce<SchemaNode | undefined>((node, name) => node?.properties?.[String(name)] ?? node?.items, this.#node);
  }

  #unknown(key: string, path: Path): string {
    const known = Object.keys(this.#nodeAt(path)?.properties ?? {});
    const meant = nearest(key, known);
    return `there is no such option; ${meant ? `did you mean ${meant}?` : `known here: ${known.join(', ')}`}`;
  }
}

function faultOf(layer: OptionLayer, path: Path, what: string): OptionFault {
  return { layer, text: `${layer.nameOf(path)}${what}` };
}

function needed(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_value' ? ` is needed: one of ${issue.values.join(', ')}` : ' is needed';
}

/** As much of a path as a layer has, with `passwordFile` for a password that stands in a file. */
function namesIn({ options }: OptionLayer, path: Path): PropertyKey[] {
  const names: PropertyKey[] = [];
  let at: unknown = options;
  for (const name of path) {
    const own = [name, `${String(name)}File`].find((one) => valueAt(at, [one]) !== undefined);
    if (own === undefined) break;
    names.push(own);
    at = valueAt(at, [own]);
  }
  return names;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[name] : undefined),
    value,
  );
}

function readFiles(value: unknown): unknown {
  if (typeof value === 'function') return value();
  if (Array.isArray(value)) return value.map(readFiles);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, readFiles(part)])) : value;
}
