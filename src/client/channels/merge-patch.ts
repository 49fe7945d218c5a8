import { isObject } from '../../core/objects.ts';

/** A JSON object; those made here have no prototype, so that no key of an update means anything but itself. */
export type JsonObject = Record<string, unknown>;

/** Beyond this many levels an update is refused: every step here goes down level by level. */
export const MAX_LEVELS = 100;

/** JSON merge patch, RFC 7396: objects go together key by key, null removes, all else takes the place of what was there. */
export function applyPatch(target: unknown, patch: JsonObject): JsonObject {
  const result = copy(isObject(target) ? target : {});
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = isObject(value) ? applyPatch(result[key], value) : value;
  }
  return result;
}

/** One patch that does what two do, one after the other; undefined when none can: an object after something else under the same key. */
export function composePatches(first: JsonObject, second: JsonObject): JsonObject | undefined {
  const result = copy(first);
  for (const [key, value] of Object.entries(second)) {
    const before = result[key];
    if (before === undefined || !isObject(value)) result[key] = value;
    else {
      const both = isObject(before) ? composePatches(before, value) : undefined;
      if (!both) return undefined;
      result[key] = both;
    }
  }
  return result;
}

/** The patch that makes `after` of `before`. */
export function diffPatch(before: JsonObject, after: JsonObject): JsonObject {
  const patch = copy({});
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (isObject(value) && isObject(old)) {
      const inner = diffPatch(old, value);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (JSON.stringify(value) !== JSON.stringify(old)) patch[key] = value;
  }
  return patch;
}

/** The newest value of each key; null is a value. */
export function overwrite(target: JsonObject, update: JsonObject): JsonObject {
  return Object.assign(copy(target), update);
}

/** Whether it has at most so many levels. */
export function isShallow(value: unknown, levels = MAX_LEVELS): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((part) => isShallow(part, levels - 1));
}

function copy(value: JsonObject): JsonObject {
  const result = Object.create(null) as JsonObject;
  for (const [key, part] of Object.entries(value)) result[key] = part;
  return result;
}
