import { oneLine } from '../one-line.ts';
import type { Derived, EventSchema, JsonSchema } from '../schema.ts';
import { type Json, textAt } from './json-body.ts';

export const TEXT: JsonSchema = { type: 'string' };
export const NUMBER: JsonSchema = { type: 'integer' };
export const FLAG: JsonSchema = { type: 'boolean' };
/** Of fields that are there and empty at times. */
export const TEXT_OR_NULL: JsonSchema = { type: ['string', 'null'] };

/** Senders add fields: nothing is closed. */
export function object(properties: Record<string, JsonSchema>, required: readonly string[] = []): JsonSchema {
  return { type: 'object', ...(required.length > 0 && { required }), properties };
}

export function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

export type Read = (path: string) => string | undefined;

export interface EventParts {
  /** Levels behind `{base}/`. */
  topic: string;
  title: string;
  properties: Record<string, JsonSchema>;
  required?: readonly string[];
  example: Json;
  summary(read: Read, topic: string): string;
  /** Paths of which the first that is there counts. */
  url?: readonly string[];
  people?: readonly string[];
  severity?(read: Read): Derived['severity'];
}

/** An event of a sender. Whatever is missing is left out of what is derived. */
export function event(name: string, parts: EventParts): EventSchema {
  const { topic, title, properties, required, example, summary, url = [], people = [], severity } = parts;
  return {
    name: `webhook.${name}`,
    topic: `{base}/${topic}`,
    title,
    schema: object(properties, required),
    examples: [example],
    derive(data, at) {
      const read: Read = (path) => textAt(data, path);
      const found = url.map(read).find((one) => one !== undefined && /^https?:\/\//.test(one));
      return {
        summary: oneLine(summary(read, at)),
        ...(found !== undefined && { url: found }),
        people: [...new Set(people.map(read).filter((name) => name !== undefined))],
        severity: severity?.(read) ?? 'info',
      };
    },
  };
}

/** `nova #12: subject`; what is missing is left out. */
export function subject(where: string | undefined, mark: string, number: string | undefined, title: string | undefined): string {
  const thing = [where, number === undefined ? undefined : `${mark}${number}`].filter(Boolean).join(' ');
  return title === undefined ? thing : `${thing}: ${title}`;
}

/** `refs/heads/main` is main. */
export function branchOf(ref: string | undefined): string {
  return ref?.replace(/^refs\/(heads|tags)\//, '') ?? 'a ref';
}
