import { HydrantError } from './errors.ts';
import { parseDuration } from './units.ts';

export interface MomentOptions {
  /** What `now` and `15m` count from, milliseconds since 1970. */
  nowMs: number;
  /** Zone of texts that name none: `UTC` (default), `local`, or an IANA name. */
  timeZone?: string;
}

/** A stretch of arrival time, milliseconds since 1970. A missing end is open. */
export interface TimeRange {
  /** Included. */
  sinceMs?: number;
  /** Not included. */
  untilMs?: number;
  /** Nanoseconds after `sinceMs` that are left out too. Default 0. */
  sinceNs?: number;
  /** Of the millisecond before `untilMs`, the nanoseconds that are included. Default: all of it. */
  untilNs?: number;
}

const DAY_MS = 86_400_000;
const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s?([Zz]|[+-]\d\d:?\d\d)?)?$/;
const HELP = 'Give a duration back from now (15m, 2h, 7d), now, today, yesterday, a date (2026-11-21), or RFC 3339 (2026-11-21T10:00Z).';

/**
 * Reads a moment as people write it: `15m` (so long ago), `now`, `today`, `yesterday`, `2026-11-21`, or RFC 3339 with or without
 * seconds, fraction and zone. A time that a clock change leaves out moves forward; one that it repeats is the earlier.
 * @returns milliseconds since 1970; a finer fraction is rounded down
 * @throws HYD_USAGE naming the text
 */
export function parseMoment(text: string, options: MomentOptions): number {
  return parseExact(text, options).ms;
}

/** Whole milliseconds, and the nanoseconds above them. */
function parseExact(text: string, options: MomentOptions): { ms: number; ns: number } {
  const trimmed = text.trim();
  const zone = options.timeZone ?? 'UTC';
  const whole = (ms: number): { ms: number; ns: number } => ({ ms, ns: 0 });
  if (trimmed === 'now') return whole(options.nowMs);
  if (trimmed === 'today') return whole(startOfDay(options.nowMs, zone, 0));
  if (trimmed === 'yesterday') return whole(startOfDay(options.nowMs, zone, -1));
  const agoMs = parseDuration(trimmed);
  if (agoMs !== undefined) return whole(options.nowMs - agoMs);
  const match = DATE_TIME.exec(trimmed);
  if (!match) throw fault(text, 'it is not a time');
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12) throw fault(text, `there is no month ${match[2]}`);
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) throw fault(text, `that month has no day ${match[3]}`);
  if (hour > 23 || minute > 59 || second > 60) throw fault(text, 'there is no such time of day');
  const fraction = (match[7] ?? '').padEnd(9, '0');
  const wallMs = Date.UTC(year, month - 1, day, hour, minute, second, Number(fraction.slice(0, 3)));
  const ms = match[8] === undefined ? fromZone(wallMs, zone) : wallMs - offsetMs(match[8]);
  return { ms, ns: Number(fraction.slice(3)) };
}

/**
 * Reads `--since` and `--until`.
 * @throws HYD_USAGE for a text that is no time, or a range that ends before it begins
 */
export function parseTimeRange(range: { since?: string; until?: string }, options: MomentOptions): TimeRange {
  const since = range.since === undefined ? undefined : parseExact(range.since, options);
  const until = range.until === undefined ? undefined : parseExact(range.until, options);
  if (since && until && (until.ms < since.ms || (until.ms === since.ms && until.ns <= since.ns))) {
    throw new HydrantError('HYD_USAGE', `nothing lies between ${JSON.stringify(range.since)} and ${JSON.stringify(range.until)}`, {
      fix: 'Let --since be earlier than --until.',
    });
  }
  return {
    ...(since && { sinceMs: since.ms }),
    ...(since && since.ns > 0 && { sinceNs: since.ns }),
    ...(until && { untilMs: until.ns > 0 ? until.ms + 1 : until.ms }),
    ...(until && until.ns > 0 && { untilNs: until.ns }),
  };
}

function offsetMs(zone: string): number {
  if (/^z$/i.test(zone)) return 0;
  const digits = zone.replace(':', '');
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}

function startOfDay(nowMs: number, zone: string, days: number): number {
  const wallMs = nowMs + zoneOffsetMs(nowMs, zone);
  return fromZone((Math.floor(wallMs / DAY_MS) + days) * DAY_MS, zone);
}

/** The moment at which clocks of `zone` show `wallMs`. */
function fromZone(wallMs: number, zone: string): number {
  const before = zoneOffsetMs(wallMs - DAY_MS, zone);
  const after = zoneOffsetMs(wallMs + DAY_MS, zone);
  for (const offset of [before, after]) if (zoneOffsetMs(wallMs - offset, zone) === offset) return wallMs - offset;
  return wallMs - before;
}

function zoneOffsetMs(ms: number, zone: string): number {
  if (zone.toUpperCase() === 'UTC') return 0;
  const wholeMs = Math.floor(ms / 1000) * 1000;
  const part: Record<string, number> = {};
  for (const { type, value } of zoneFormat(zone).formatToParts(wholeMs)) part[type] = Number(value);
  return Date.UTC(part.year!, part.month! - 1, part.day, part.hour, part.minute, part.second) - wholeMs;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function zoneFormat(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format) return format;
  try {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone === 'local' ? undefined : zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch (cause) {
    throw new HydrantError('HYD_USAGE', `${JSON.stringify(zone)} is not a time zone`, {
      cause,
      fix: 'Give an IANA name such as Europe/Berlin, or UTC, or local.',
    });
  }
  formats.set(zone, format);
  return format;
}

function fault(text: string, why: string): HydrantError {
  return new HydrantError('HYD_USAGE', `time ${JSON.stringify(text)}: ${why}`, { fix: HELP });
}
