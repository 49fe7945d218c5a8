import { z } from 'zod';

/** The JSON Schema keywords that the configuration uses. */
export interface SchemaNode {
  type?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  items?: SchemaNode;
  properties?: Record<string, SchemaNode>;
  /** Of a key that maps names to values. */
  additionalProperties?: SchemaNode | false;
  /** Our own keyword: shown as `***`, and `<key>File` reads it from a file. */
  secret?: boolean;
  /** Our own keyword: the path of a file, taken from where it was written. */
  path?: boolean;
}

/** One key of the configuration that takes a value. */
export interface ConfigKey {
  /** Dotted, as in `--set`: `listeners.mqtt.port`. */
  path: string;
  /** Its environment variable: `HYDRANT_LISTENERS_MQTT_PORT`. */
  env: string;
  node: SchemaNode;
}

export interface ConfigKeys {
  keys: Map<string, ConfigKey>;
  byEnv: Map<string, ConfigKey>;
  /** Children's names of every section; `''` is the root. */
  sections: Map<string, string[]>;
}

/** JSON Schema of what a user may write; a secret key `x` brings `xFile`. */
export function inputJsonSchema(schema: z.ZodType): SchemaNode {
  const root = z.toJSONSchema(schema, { io: 'input' }) as SchemaNode;
  addSecretFiles(root);
  return root;
}

function addSecretFiles(node: SchemaNode): void {
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    addSecretFiles(child);
    if (child.secret) node.properties![`${name}File`] = { type: 'string', description: `A file whose text is used for ${name}.` };
  }
}

/** Every key and section of a configuration schema. Sections are its objects; all else is a value. */
export function listKeys(schema: z.ZodType): ConfigKeys {
  const found: ConfigKeys = { keys: new Map(), byEnv: new Map(), sections: new Map() };
  collect(inputJsonSchema(schema), [], found);
  return found;
}

function collect(node: SchemaNode, at: string[], found: ConfigKeys): void {
  const path = at.join('.');
  if (node.properties) {
    found.sections.set(path, Object.keys(node.properties));
    for (const [name, child] of Object.entries(node.properties)) collect(child, [...at, name], found);
    return;
  }
  const key = { path, env: `HYDRANT_${at.map(screaming).join('_')}`, node };
  found.keys.set(path, key);
  found.byEnv.set(key.env, key);
}

function screaming(name: string): string {
  return name.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase();
}

/** What a key takes, in words: "a whole number from 0 to 65535". */
export function expectedWords(node: SchemaNode): string {
  if (node.enum) return `one of ${node.enum.join(', ')}`;
  if (node.type === 'boolean') return 'true or false';
  if (node.type === 'integer' || node.type === 'number') {
    const what = node.type === 'integer' ? 'a whole number' : 'a number';
    const max = node.maximum === Number.MAX_SAFE_INTEGER ? undefined : node.maximum;
    const min = node.minimum === Number.MIN_SAFE_INTEGER ? undefined : node.minimum;
    if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}`;
    if (min !== undefined) return `${what}, at least ${min}`;
    return max === undefined ? what : `${what}, at most ${max}`;
  }
  if (node.type === 'object') return 'a map of names';
  if (node.items?.properties) return 'a list of sections, a dash before each';
  if (node.type === 'array') return `a list such as [${(node.items?.examples ?? ['a', 'b']).join(', ')}]`;
  return node.minLength ? 'text that is not empty' : 'text';
}
