import { parseTimeRange } from '../../core/time-range.ts';
import { assertFilter } from '../../wire/topic.ts';
import { addPlaceOptions, openArchivePlace, type PlaceOptions } from '../archive-place.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { addTimeRange, type Format, outputOption, tzOption, wholeNumber } from '../options.ts';
import { chosenFormat } from '../rows.ts';

interface FindOptions extends PlaceOptions {
  since?: string;
  until?: string;
  where?: string;
  limit?: number;
  maxScan?: number;
  output?: Format;
  tz: string;
  skipReplayed?: boolean;
  verbose?: boolean;
}

export const find = defineCommand<FindOptions>({
  name: 'find',
  summary: 'find events in the journal and the archive',
  notes: [
    'Reads the data folder of a running or a stopped server, and with it the store that its configuration names in archive.to, oldest first. Without --since, --until, --limit and --max-scan it reads everything. In NDJSON the archive’s own lines are printed, byte for byte. Damaged lines are reported on stderr and left out; then the exit code is 3, as it is when --max-scan ended the search.',
  ],
  examples: [
    ["hydrant find 'plant/+/temp' --since 15m", 'the last quarter of an hour'],
    ["hydrant find --where 'json.t > 30' 'plant/#' --since today", 'by content: docs/reference/cli.md lists what an expression may name'],
    ["hydrant find 'orders/#' --since 2026-11-20 --until 2026-11-21 -o raw", 'the payloads of one day'],
    ["hydrant find '#' -o ndjson | jq -r '.data | @base64d'", 'everything, with your own tools'],
    ["hydrant find 'a/b' --limit 1", 'the first one ever'],
    ["hydrant find 'plant/#' --from s3://events/site-1 --since 2026-11-01 --until 2026-11-02", 'in a bucket, without a data folder'],
  ],
  define(command) {
    addTimeRange(command.argument('[filter...]', 'topics, as MQTT filters; default #, which is all but topics that begin with $'))
      .option('-w, --where <cel>', 'only events for which this expression is true')
      .option('--skip-replayed', 'leave out what `hydrant replay` has published again')
      .option('-n, --limit <count>', 'matches to print, at most', wholeNumber(1))
      .option('--max-scan <count>', 'events to look at, at most', wholeNumber(1))
      .addOption(outputOption(['table', 'ndjson', 'json', 'raw']))
      .addOption(tzOption())
      .option('-v, --verbose', 'say at the end what was read');
    addPlaceOptions(command);
  },
  async run({ args, options, io }) {
    for (const filter of args) assertFilter(filter);
    const { searchHistory } = await import('../search.ts');
    const range = parseTimeRange(options, { nowMs: Date.now(), timeZone: options.tz });
    await using place = await openArchivePlace(options, io);
    const search = await searchHistory(place.catalogue, { ...options, filters: args, range }, io);
    const { createEventWriter } = await import('../event-output.ts');
    const { timeFormatter } = await import('../time-text.ts');
    const writer = createEventWriter(io, chosenFormat(io, options.output), { time: timeFormatter(options.tz) });
    try {
      for await (const records of search.records) {
        if (io.stdout.isTTY) search.progress.clear();
        for (const record of records) {
          const full = writer.record(record);
          if (full) await full;
        }
        await writer.flush();
      }
    } finally {
      search.progress.clear();
      // What was found before a store failed stays, and is whole.
      if (!io.signal.aborted) await writer.end();
    }
    return search.report({ always: options.verbose ?? false }) ? EXIT.partial : EXIT.ok;
  },
});
