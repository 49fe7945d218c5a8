import { HydrantError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { isObject } from '../core/objects.ts';

export function usage(message: string, fix: string): HydrantError {
  return new HydrantError('HYD_USAGE', message, { fix });
}

/** A value in a message: short, and of what kind it is. */
export function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

const MAX_SHOWN = 60;

/**
 * Plain JavaScript may give anything, under any name.
 * @param hints what to do instead, by names that others have for it
 * @throws HYD_USAGE, naming the key at fault
 */
export function assertKeys(of: string, given: unknown, known: readonly string[], hints: Readonly<Record<string, string>> = {}): void {
  if (!isObject(given)) throw usage(`${of} has options: ${shown(given)} is no object of them`, `Options are ${known.join(', ')}.`);
  for (const key in given) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    const guess = meant === undefined ? `Options are ${known.join(', ')}.` : `Did you mean ${meant}?`;
    throw usage(`${of} has no option ${key}`, Object.hasOwn(hints, key) ? hints[key]! : guess);
  }
}

export interface NumberBounds {
  /** Default: none, as for the others. */
  min?: number;
  above?: number;
  max?: number;
  /** Default false. */
  whole?: boolean;
}

/** @throws HYD_USAGE, naming the option; undefined is none given */
export function assertNumber(name: string, value: unknown, { min, above, max, whole = false }: NumberBounds): void {
  if (value === undefined) return;
  const isWithin =
    typeof value === 'number' &&
    value >= (min ?? Number.NEGATIVE_INFINITY) &&
    value <= (max ?? Number.POSITIVE_INFINITY) &&
    (above === undefined || value > above) &&
    (!whole || Number.isInteger(value));
  if (isWithin) return;
  const range = [
    above === undefined ? '' : ` above ${above}`,
    min === undefined ? '' : ` from ${min}`,
    max === undefined ? '' : ` up to ${max}`,
  ];
  throw usage(`${name}: ${shown(value)}`, `Give a ${whole ? 'whole ' : ''}number${range.join('')}.`);
}
