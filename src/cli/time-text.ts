import { HydrantError } from '../core/errors.ts';

/**
 * Writes times for people: RFC 3339 with milliseconds in the zone asked for, so that what is printed can be
 * given back to `--since`.
 * @param tz IANA zone, `UTC` or `local`
 * @throws HYD_USAGE for a zone nobody knows
 */
export function timeFormatter(tz: string): (ms: number) => string {
  if (tz.toUpperCase() === 'UTC') return (ms) => new Date(ms).toISOString();
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: tz === 'local' ? undefined : tz,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      fractionalSecondDigits: 3,
      timeZoneName: 'longOffset',
    });
  } catch (error) {
    throw new HydrantError('HYD_USAGE', `--tz ${JSON.stringify(tz)} is not a time zone`, {
      cause: error,
      fix: 'Give an IANA name such as Europe/Berlin, or UTC, or local.',
    });
  }
  return (ms) => {
    const part: Record<string, string> = {};
    for (const { type, value } of format.formatToParts(ms)) part[type] = value;
    const offset = /^GMT(?:\+00:00)?$/.test(part.timeZoneName!) ? 'Z' : part.timeZoneName!.slice(3);
    return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}.${part.fractionalSecond}${offset}`;
  };
}
