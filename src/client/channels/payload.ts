import { types } from 'node:util';
import { errorText, HydrantError } from '../../core/errors.ts';
import { usage } from '../checks.ts';
import { isShallow, MAX_LEVELS } from './merge-patch.ts';

/**
 * The bytes of a payload: a copy of bytes, which a caller may use again at once, a string as UTF-8, anything else as JSON. Empty is a payload too.
 * @throws HYD_USAGE for what JSON cannot say
 */
export function encodePayload(payload: unknown): Uint8Array {
  if (payload instanceof Uint8Array) return Buffer.from(payload);
  return Buffer.from(typeof payload === 'string' ? payload : stringify(payload, 'payload'));
}

/** An update of the state: its JSON text, and what it says. */
export interface StateUpdate {
  text: string;
  value: unknown;
}

/**
 * Bytes and strings are JSON text, kept as written; anything else is turned into JSON.
 * @throws HYD_USAGE when it is not JSON, or nested too deep
 */
export function readUpdate(update: unknown): StateUpdate {
  const text = (typeof update === 'string' || update instanceof Uint8Array ? decode(update) : stringify(update, 'state update')).trim();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = text === '' ? 'it is empty' : `${errorText(error)} (it begins with ${JSON.stringify(text.slice(0, 40))})`;
    throw new HydrantError('HYD_USAGE', `the state update is not JSON: ${why}`, {
      fix: 'Give a value such as { temperature: 21 }, or JSON text.',
      cause: error,
    });
  }
  if (!isShallow(value))
    throw new HydrantError('HYD_USAGE', `the state update is nested more than ${MAX_LEVELS} levels deep`, { fix: 'Send it flatter.' });
  return { text, value };
}

/** The part of an object or array that takes most of its JSON, and its bytes; undefined when it has none. */
export function largestPart(value: unknown): { name: string; bytes: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  let largest: { key: string; bytes: number } | undefined;
  for (const [key, part] of Object.entries(value)) {
    const bytes = Buffer.byteLength(JSON.stringify(part));
    if (!largest || bytes > largest.bytes) largest = { key, bytes };
  }
  if (!largest || !Array.isArray(value)) return largest && { name: JSON.stringify(largest.key), bytes: largest.bytes };
  const within = largestPart(value[Number(largest.key)]);
  return { name: `[${largest.key}]${within ? ` ${within.name}` : ''}`, bytes: within?.bytes ?? largest.bytes };
}

function decode(text: string | Uint8Array): string {
  if (typeof text === 'string') return text;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch (error) {
    throw new HydrantError('HYD_USAGE', 'the state update is not JSON: its bytes are not UTF-8', { cause: error });
  }
}

function stringify(value: unknown, what: string): string {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    cause = error;
  }
  if (text === '{}') assertKept(value, what);
  if (text !== undefined) return text;
  throw new HydrantError('HYD_USAGE', `the ${what} cannot be written as JSON: ${cause ? errorText(cause) : `it is ${typeof value}`}`, {
    fix: 'Give bytes, a string, or a value that JSON.stringify takes.',
    cause,
  });
}

/** JSON makes an empty object of these, and nothing of what is in them. @throws HYD_USAGE */
function assertKept(value: unknown, what: string): void {
  if (!(types.isPromise(value) || types.isMap(value) || types.isSet(value) || types.isAnyArrayBuffer(value) || types.isNativeError(value)))
    return;
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  throw usage(
    `the ${what} is of the kind ${kind}, of which JSON keeps nothing`,
    FIXES[kind] ?? 'Give a plain object, such as { error: error.message }.',
  );
}

const FIXES: Readonly<Record<string, string>> = {
  Promise: 'Await it first.',
  Map: 'Give `Object.fromEntries(map)`.',
  Set: 'Give `[...set]`.',
  ArrayBuffer: 'Give `new Uint8Array(buffer)`.',
  SharedArrayBuffer: 'Give `new Uint8Array(buffer)`.',
};
