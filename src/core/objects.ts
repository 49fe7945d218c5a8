/** Whether a value is what JSON calls an object: no list, not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What JSON text says; undefined for what is none. */
export function parseJson(json: string | Uint8Array): unknown {
  const text = typeof json === 'string' ? json : Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString();
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Objects go together key by key, at every depth; of all else the one above takes the place of the one below. Neither is changed. */
export function mergeObjects(below: unknown, above: unknown): unknown {
  if (!isObject(below) || !isObject(above)) return above;
  const merged = { ...below };
  for (const [name, value] of Object.entries(above)) merged[name] = mergeObjects(merged[name], value);
  return merged;
}
