import { HydrantError } from '../../core/errors.ts';
import { isObject, parseJson } from '../../core/objects.ts';

export type Json = Record<string, unknown>;

export const JSON_TYPE = 'application/json';

export function isJsonType(contentType: string): boolean {
  return contentType === JSON_TYPE || contentType.endsWith('+json');
}

/** @throws HYD_USAGE for what is no JSON object */
export function parseObject(body: Buffer): Json {
  const data = parseJson(body);
  if (isObject(data)) return data;
  throw new HydrantError('HYD_USAGE', data === undefined ? 'a body is no JSON' : 'a body is no JSON object', {
    fix: 'Send the body as the sender documents it.',
  });
}

/**
 * What stands at `a.b.0.c`: text as it is, numbers and booleans as JSON writes them, else undefined.
 * Only what the sender wrote is found, nothing that objects have by themselves.
 */
export function textAt(data: unknown, path: string): string | undefined {
  let at = data;
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    if (Array.isArray(at) && name === 'length') return undefined;
    at = (at as Json)[name];
  }
  if (typeof at === 'number' || typeof at === 'boolean') return String(at);
  return typeof at === 'string' && at !== '' ? at : undefined;
}

/** Milliseconds since 1970 of an RFC 3339 time, or undefined. */
export function timeAt(data: unknown, path: string): number | undefined {
  const text = textAt(data, path);
  const ms = text !== undefined && /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return ms > 0 ? ms : undefined;
}
