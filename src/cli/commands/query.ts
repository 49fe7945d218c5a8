import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import type { Damage } from '../../archive/read/scan.ts';
import { HydrantError } from '../../core/errors.ts';
import { parseTimeRange } from '../../core/time-range.ts';
import { assertFilter } from '../../wire/topic.ts';
import { type ArchivePlace, addPlaceOptions, openArchivePlace, type PlaceOptions } from '../archive-place.ts';
import { type Call, defineCommand } from '../command.ts';
import { escapeText } from '../escape.ts';
import { EXIT } from '../exit-codes.ts';
import { readGiven } from '../given-file.ts';
import { addTimeRange, collect, sizeBytes, tzOption, wholeNumber } from '../options.ts';
import { Progress } from '../progress.ts';
import { QUERY_FORMATS, type QueryFormat } from '../query/formats.ts';

interface QueryOptions extends PlaceOptions {
  file?: string;
  filter?: string[];
  since?: string;
  until?: string;
  tz: string;
  output?: QueryFormat;
  memory: number;
  threads?: number;
}

const DAMAGES_SHOWN = 20;

export const query = defineCommand<QueryOptions>({
  name: 'query',
  summary: 'ask the journal and the archive in SQL',
  notes: [
    'Runs one statement that reads, on DuckDB, over the view `events`: each event once, sealed or not, local and remote as one. --since, --until and --filter decide what is read at all. DuckDB is installed apart: `npm install @duckdb/node-api`. Columns, helpers and examples: docs/guide/query.md. Damaged lines are reported on stderr and left out; then the exit code is 3.',
  ],
  examples: [
    ["hydrant query 'select topic, count(*) from events group by all order by 2 desc limit 10'", 'the busiest topics'],
    [
      'hydrant query "select ts, json(payload).t from events where topic_matches(topic, \'plant/+/temp\')" --since 1h -o csv',
      'a curve, for a spreadsheet',
    ],
    ['hydrant query --file report.sql --from s3://bucket/prefix --since 2026-11-01', 'a statement from a file, over a bucket'],
    ["hydrant query 'describe events'", 'the columns'],
  ],
  define(command) {
    command
      .argument('[sql]', 'the statement; - reads it from stdin')
      .option('--file <path>', 'read the statement from a file')
      .option(
        '--filter <filter>',
        'only topics that this MQTT filter matches; repeatable; default #, which is all but topics that begin with $',
        collect,
      );
    addTimeRange(command)
      .addOption(
        new Option('-o, --output <format>', 'what to print (default: table on a terminal, ndjson in a pipe)').choices(QUERY_FORMATS),
      )
      .addOption(
        new Option('--memory <size>', 'memory for DuckDB; what does not fit goes to disk').argParser(sizeBytes).default(1024 ** 3, '1GiB'),
      )
      .option('--threads <count>', 'threads for DuckDB (default: one for each core)', wholeNumber(1, 1024))
      .addOption(tzOption());
    addPlaceOptions(command);
  },
  async run({ args, options, io }) {
    const filters = options.filter ?? ['#'];
    for (const filter of filters) assertFilter(filter);
    const sql = await readSql(args[0], options.file, io);
    const range = parseTimeRange(options, { nowMs: Date.now(), timeZone: options.tz });
    const [{ loadDuckDb }, { openScratch }, { gatherQueryFiles }, { QuerySession }, { printResult }] = await Promise.all([
      import('../query/duckdb.ts'),
      import('../query/scratch.ts'),
      import('../../archive/read/query-files.ts'),
      import('../query/session.ts'),
      import('../query/print.ts'),
    ]);
    const duck = await loadDuckDb();
    await using place = await openArchivePlace(options, io);
    await using scratch = await openScratch(place.dataDir);
    const progress = new Progress(io, 'reading', 'B');
    let damages = 0;
    const onDamaged = ({ name, offset, reason }: Damage): void => {
      if (++damages > DAMAGES_SHOWN) return;
      progress.clear();
      io.stderr.write(`damaged: ${escapeText(name)} at byte ${offset}: ${escapeText(reason)}\n`);
    };
    const files = await gatherQueryFiles(place.catalogue, scratch.path, {
      range,
      filters,
      roots: rootsOf(place),
      signal: io.signal,
      onProgress: ({ bytesDone, bytesTotal }) => progress.update(bytesDone, bytesTotal),
      onDamaged,
    }).finally(() => progress.clear());
    const { memory: maxMemoryBytes, threads } = options;
    using session = await QuerySession.open(duck, {
      files,
      range,
      filters,
      folder: scratch.path,
      maxMemoryBytes,
      threads,
      signal: io.signal,
    });
    const format = options.output ?? (io.stdout.isTTY ? 'table' : 'ndjson');
    await printResult(io, format, session, await session.run(sql), duck);
    if (damages > DAMAGES_SHOWN) io.stderr.write(`damaged: ${damages - DAMAGES_SHOWN} more places\n`);
    if (damages > 0) io.stderr.write('  fix: Run `hydrant archive verify` for the whole list, and restore those files from a backup.\n');
    return damages > 0 ? EXIT.partial : EXIT.ok;
  },
});

async function readSql(given: string | undefined, file: string | undefined, io: Call<unknown>['io']): Promise<string> {
  if (given === undefined && file === undefined) throw noSql('there is no SQL');
  if (given !== undefined && file !== undefined) throw noSql('there is SQL as an argument and in --file');
  const sql = file !== undefined ? readGiven('--file', file).toString() : given === '-' ? await readAll(io) : given!;
  if (sql.trim() === '') throw noSql('there is no SQL');
  return sql;
}

async function readAll(io: Call<unknown>['io']): Promise<string> {
  return Buffer.concat(await io.stdin.toArray()).toString();
}

function noSql(what: string): HydrantError {
  return new HydrantError('HYD_USAGE', what, {
    fix: "Give one statement: hydrant query 'select count(*) from events', or - for stdin, or --file PATH.",
  });
}

/** Where objects may lie as files. */
function rootsOf({ dataDir, remote }: ArchivePlace): string[] {
  const roots = dataDir === undefined ? [] : [join(dataDir, 'archive')];
  return remote?.url.startsWith('file:') ? [...roots, fileURLToPath(remote.url)] : roots;
}
