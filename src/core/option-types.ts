import { z } from 'zod';
import { DURATION_PATTERN, formatDuration, formatSize, parseDuration, parseSize, SIZE_PATTERN } from './units.ts';

/**
 * A duration in a configuration: `15m`, `1h30m`, `250ms`, `7d`, or 0. Read as milliseconds.
 * Defaults go in as text: `duration().prefault('15m')`.
 */
export function duration(options: { minMs?: number; maxMs?: number } = {}) {
  const expected = `expected a duration such as 250ms, 15m or 7d${range(options.minMs, options.maxMs, formatDuration)}`;
  return z
    .union([z.string().regex(DURATION_PATTERN, { error: expected, abort: true }), z.literal(0)], { error: expected })
    .refine((value) => within(readDuration(value), options.minMs, options.maxMs), { error: expected })
    .meta({ examples: ['250ms', '15m', '7d'] })
    .transform(readDuration);
}

/**
 * A size in a configuration: `128MiB`, `10GB`, or a number of bytes. Read as bytes.
 * Defaults go in as text: `byteSize().prefault('128MiB')`.
 */
export function byteSize(options: { min?: number; max?: number } = {}) {
  const expected = `expected a size such as 64KiB, 128MiB or 10GB${range(options.min, options.max, formatSize)}`;
  return z
    .union([z.string().regex(SIZE_PATTERN, { error: expected, abort: true }), z.int().nonnegative()], { error: expected })
    .refine((value) => within(readSize(value), options.min, options.max), { error: expected })
    .meta({ examples: ['64KiB', '128MiB', '10GB'] })
    .transform(readSize);
}

/** The path of a file. In a configuration file a relative one starts at the folder of that file. */
export function filePath() {
  return z.string().min(1).meta({ path: true });
}

/**
 * A text of a list: a mistake names which, and why.
 * @param expected what the texts are, with an example
 * @param fault what is wrong with a text, or undefined
 */
export function listed(expected: string, fault: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const why = fault(value);
    if (why) context.addIssue({ code: 'custom', message: `expected ${expected}; ${JSON.stringify(value)} is none: ${why}` });
  });
}

function readDuration(value: string | 0): number {
  return value === 0 ? 0 : (parseDuration(value) ?? Number.NaN);
}

function readSize(value: string | number): number {
  return typeof value === 'number' ? value : (parseSize(value) ?? Number.NaN);
}

function within(value: number, min = 0, max = Number.MAX_SAFE_INTEGER): boolean {
  return value >= min && value <= max;
}

function range(min: number | undefined, max: number | undefined, format: (value: number) => string): string {
  if (min !== undefined && max !== undefined) return `, from ${format(min)} to ${format(max)}`;
  if (min !== undefined) return `, at least ${format(min)}`;
  return max === undefined ? '' : `, at most ${format(max)}`;
}
