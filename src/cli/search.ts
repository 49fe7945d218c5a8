import type { Catalogue } from '../archive/catalogue.ts';
import { type Damage, type Scan, type ScanOptions, type ScanStatistics, scan } from '../archive/read/scan.ts';
import type { TimeRange } from '../core/time-range.ts';
import { isReplayed } from '../wire/replay-mark.ts';
import { escapeText } from './escape.ts';
import type { Io } from './io.ts';
import { formatCount, Progress } from './progress.ts';
import { compileWhere, type Where } from './where.ts';

export interface SearchOptions extends Pick<ScanOptions, 'limit' | 'maxScan' | 'follow'> {
  filters: readonly string[];
  range: TimeRange;
  where?: string;
  /** Leave out what a replay has marked. */
  skipReplayed?: boolean;
}

/** A search through an archive, for the commands that make one. */
export interface Search {
  records: Scan;
  progress: Progress;
  /** Says on stderr what was left out, and with `always` or on a terminal what was read. True when something was left out. */
  report(options: { always: boolean }): boolean;
}

const DAMAGES_SHOWN = 20;

/**
 * @throws HYD_FILTER, HYD_EXPRESSION; while iterating those of `scan`
 */
export async function searchHistory(catalogue: Catalogue, options: SearchOptions, io: Io): Promise<Search> {
  const where = options.where === undefined ? undefined : await compileWhere(options.where);
  const progress = new Progress(io, 'reading', 'B');
  let damages = 0;
  const onDamaged = (damage: Damage): void => {
    if (++damages > DAMAGES_SHOWN) return;
    progress.clear();
    io.stderr.write(`damaged: ${escapeText(damage.name)} at byte ${damage.offset}: ${escapeText(damage.reason)}\n`);
  };
  const search = scan(catalogue, {
    ...options.range,
    filters: options.filters.length > 0 ? options.filters : ['#'],
    where: conditionOf(where, options.skipReplayed ?? false),
    limit: options.limit,
    maxScan: options.maxScan,
    follow: options.follow,
    signal: io.signal,
    onProgress: ({ bytesDone, bytesTotal }) => progress.update(bytesDone, bytesTotal),
    onDamaged,
  });
  const startMs = performance.now();
  return {
    records: search,
    progress,
    report({ always }) {
      progress.clear();
      const { statistics } = search;
      if (damages > DAMAGES_SHOWN) io.stderr.write(`damaged: ${damages - DAMAGES_SHOWN} more places\n`);
      if (damages > 0) io.stderr.write('  fix: Run `hydrant archive verify` for the whole list, and restore those files from a backup.\n');
      if (statistics.stopped === 'max-scan')
        io.stderr.write(`stopped by --max-scan: looked at ${formatCount(statistics.linesScanned)} events; there are more\n`);
      if (where?.failed && (always || statistics.linesMatched === 0)) {
        io.stderr.write(
          `--where could not be evaluated on ${formatCount(where.failed)} events, which count as no match; the first: ${where.firstFailure}\n`,
        );
      }
      if (always || io.stderr.isTTY) io.stderr.write(summary(statistics, performance.now() - startMs));
      return damages > 0 || statistics.stopped === 'max-scan';
    },
  };
}

function conditionOf(where: Where | undefined, skipReplayed: boolean): ScanOptions['where'] {
  if (!skipReplayed) return where && ((event) => where.matches(event));
  return (event) => !isReplayed(event) && (where?.matches(event) ?? true);
}

function summary(statistics: ScanStatistics, elapsedMs: number): string {
  const { linesMatched, linesScanned, objectsScanned, objectsSkipped } = statistics;
  const files = `${formatCount(objectsScanned)} files read, ${formatCount(objectsSkipped)} skipped`;
  const perSecond = elapsedMs > 0 ? `, ${formatCount(Math.round((linesScanned * 1000) / elapsedMs))} events/s` : '';
  return `${formatCount(linesMatched)} of ${formatCount(linesScanned)} events, ${files}, in ${(elapsedMs / 1000).toFixed(2)} s${perSecond}\n`;
}
