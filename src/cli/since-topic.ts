import { HydrantError } from '../core/errors.ts';
import { parseMoment } from '../core/time-range.ts';
import { parseDuration } from '../core/units.ts';

/**
 * The filter under which Hydrant serves history first: `$history/<since>/<filter>`. A duration stays one, so that the
 * server's clock counts; a sequence too; everything else becomes RFC 3339 in UTC.
 * @throws HYD_USAGE
 */
export function historyFilter(since: string, filter: string, options: { nowMs: number; timeZone: string }): string {
  if (filter.startsWith('$share/')) {
    throw new HydrantError('HYD_USAGE', `--since with ${filter}: a shared subscription has one place for all its members`, {
      fix: 'Leave out --since, or $share/GROUP/.',
    });
  }
  const exact = /^\d+$/.test(since) || parseDuration(since) !== undefined;
  return `$history/${exact ? since : new Date(parseMoment(since, options)).toISOString()}/${filter}`;
}
