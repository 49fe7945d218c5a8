import { type Command, InvalidArgumentError, Option } from 'commander';
import { inputJsonSchema, type SchemaNode } from '../../app/config-keys.ts';
import type { SourceKind } from '../../sources/source.ts';

/** One option of a kind, as a flag of its command. */
export interface KindFlag {
  /** `hostKeyCheck`, or `eventsLog.url`. */
  path: readonly string[];
  option: Option;
  isSecret?: boolean;
}

interface Node extends Omit<SchemaNode, 'type'> {
  type?: string | string[];
  anyOf?: Node[];
  const?: unknown;
  short?: string;
}

/**
 * The flags of a kind, from the schema of its options: `hostKeyCheck` is `--host-key-check`, `eventsLog.url` is `--events-log-url`, lists repeat, a
 * secret also has `--<name>-file`. Lists of sections are for the configuration only.
 */
export function kindFlags(kind: SourceKind): KindFlag[] {
  return flagsOf(inputJsonSchema(kind.options), [], kind.positional);
}

export function addKindFlags(command: Command, flags: readonly KindFlag[]): void {
  for (const { option } of flags) command.addOption(option);
}

/** What was given, in the shape of the kind's options. */
export function givenOptions(flags: readonly KindFlag[], given: Record<string, unknown>): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const { path, option } of flags) {
    const value = given[option.attributeName()];
    if (value === undefined || (option.negate && value === true)) continue;
    const section = path.slice(0, -1).reduce<Record<string, unknown>>((at, name) => {
      at[name] ??= {};
      return at[name] as Record<string, unknown>;
    }, options);
    section[path.at(-1)!] = value;
  }
  return options;
}

/** The flag of an option, for what is said about its value. */
export function flagName(path: readonly PropertyKey[]): string {
  return `--${path
    .filter((name) => typeof name === 'string')
    .map(kebab)
    .join('-')}`;
}

function flagsOf(node: Node, path: readonly string[], positional: string | undefined): KindFlag[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]: [string, Node]) => {
    const at = [...path, name];
    if (child.properties) return flagsOf(child, at, undefined);
    if (name === positional || child.items?.properties || child.additionalProperties) return [];
    return flagOf(at, child);
  });
}

function flagOf(path: readonly string[], node: Node): KindFlag[] {
  const name = flagName(path);
  const flags = node.short === undefined ? name : `-${node.short}, ${name}`;
  const description = describe(node);
  const types = typesOf(node);
  if (node.type === 'array') {
    const parse = (text: string, before: unknown): unknown[] => [
      ...((before as unknown[] | undefined) ?? []),
      readValue(text, node.items ?? {}),
    ];
    return [{ path, option: new Option(`${flags} <${metavar(node.items ?? {})}>`, `${description}; repeatable`).argParser(parse) }];
  }
  if (types.size === 1 && types.has('boolean'))
    return [{ path, option: new Option(node.default === true ? `--no-${name.slice(2)}` : flags, description) }];
  const option = new Option(types.has('boolean') ? `${flags} [${metavar(node)}]` : `${flags} <${metavar(node)}>`, description);
  if (node.enum) option.choices(node.enum.map(String));
  else option.argParser((text) => readValue(text, node));
  return [{ path, option, ...(node.secret && { isSecret: true }) }];
}

/** What stands for the value in the help. */
function metavar(node: Node): string {
  if (node.path) return 'file';
  if (node.enum) return 'name';
  if (node.type === 'integer' || node.type === 'number') return 'number';
  const [example] = node.examples ?? [];
  return example === '250ms' ? 'time' : example === '64KiB' ? 'size' : 'value';
}

function describe({ description = '', default: standard }: Node): string {
  const text = description.replace(/\.$/, '');
  const said = /default/i.test(text) || standard === undefined || typeof standard === 'object' || standard === false || standard === '';
  const isWord = /^[A-Z][a-z ]/.test(text);
  return `${isWord ? text.charAt(0).toLowerCase() : text.charAt(0)}${text.slice(1)}${said ? '' : ` (default: ${standard})`}`;
}

/** Text stays text where the option takes text; else a number, or true and false. The schema has the last word. */
function readValue(text: string, node: Node): unknown {
  const types = typesOf(node);
  if (types.has('number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (types.has('string')) return text;
  if (types.has('boolean') && /^(true|false)$/.test(text)) return text === 'true';
  if (types.has('number')) throw new InvalidArgumentError('Give a number.');
  return text;
}

/** All that an option takes: `string`, `number`, `boolean` … */
function typesOf(node: Node): Set<string> {
  return new Set(
    [node, ...(node.anyOf ?? [])]
      .flatMap(({ type = [], const: only }) => (only === 0 ? ['number'] : [type].flat()))
      .map((type) => (type === 'integer' ? 'number' : type)),
  );
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
