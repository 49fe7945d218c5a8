import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration, parseSize } from '../core/units.ts';

/** `-o`: table on a terminal, NDJSON in a pipe, unless said otherwise. */
export type Format = 'table' | 'ndjson' | 'json' | 'raw';

export function outputOption(
  formats: readonly Format[] = ['table', 'ndjson', 'json'],
  standard = 'table on a terminal, ndjson in a pipe',
): Option {
  return new Option('-o, --output <format>', `what to print (default: ${standard})`).choices(formats);
}

export function dataOption(): Option {
  return new Option('-d, --data <dir>', 'data folder (default: HYDRANT_DATA, else your user data folder)');
}

export function tzOption(): Option {
  return new Option('--tz <zone>', 'time zone for times read and printed: UTC, local, or an IANA name such as Europe/Berlin').default(
    'UTC',
  );
}

export function addTimeRange(command: Command): Command {
  return command
    .option('--since <time>', 'from here on, by arrival: 15m, 2d, today, 2026-11-21, 2026-11-21T10:00Z')
    .option('--until <time>', 'up to here, not included; same forms');
}

/** Collects a repeatable option. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** A whole number within limits. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER ? `Give a whole number, ${min} or more.` : `Give a whole number from ${min} to ${max}.`,
      );
    }
    return value;
  };
}

/** Milliseconds from `10s`, `5m`, `250ms`; a bare number is seconds. */
export function durationMs(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * 1000) : parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Give a duration such as 250ms, 10s or 5m; a bare number is seconds.');
  return ms;
}

export function sizeBytes(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Give a size such as 64KiB, 10MB or a number of bytes.');
  return bytes;
}

/** `1000/s`, `600/min`, or a bare number per second. */
export function perSecond(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:\/(s|sec|m|min|h))?$/.exec(text);
  const value = match ? Number(match[1]) / { s: 1, sec: 1, m: 60, min: 60, h: 3600 }[match[2] ?? 's']! : 0;
  if (!(value > 0)) throw new InvalidArgumentError('Give a rate such as 1000/s or 600/min.');
  return value;
}

/** `x2`, `2x`, `0.5`, or `max`, which is Infinity. */
export function speedFactor(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const value = Number(text.replace(/^x|x$/, ''));
  if (!(value > 0) || !Number.isFinite(value))
    throw new InvalidArgumentError('Give x1 for the pace it happened at, x10 for ten times that, or max.');
  return value;
}
