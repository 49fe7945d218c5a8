import { join } from 'node:path';
import type { ArchivedHour } from '../../archive/hours/completeness.ts';
import { parseTimeRange } from '../../core/time-range.ts';
import { formatDuration, formatSize } from '../../core/units.ts';
import { addPlaceOptions, openArchivePlace, type PlaceOptions } from '../archive-place.ts';
import { defineCommand } from '../command.ts';
import { addTimeRange, type Format, outputOption, tzOption } from '../options.ts';
import { formatCount } from '../progress.ts';
import { chosenFormat, printRows, type RowColumn } from '../rows.ts';

interface HoursOptions extends PlaceOptions {
  since?: string;
  until?: string;
  holes?: boolean;
  output?: Format;
  tz: string;
}

const COLUMNS: RowColumn<ArchivedHour>[] = [
  { title: 'HOUR', text: ({ hour }) => hour },
  { title: 'ARCHIVER', text: ({ archiver, upMs }) => (archiver === 'partly' ? `partly ${formatDuration(upMs)}` : archiver) },
  { title: 'EVENTS', right: true, text: ({ events }) => formatCount(events) },
  { title: 'SIZE', right: true, text: ({ bytes }) => formatSize(bytes) },
  { title: 'DUP', right: true, text: ({ dup }) => formatCount(dup) },
  { title: 'EXCLUDED', right: true, text: ({ excluded }) => formatCount(excluded) },
  { title: 'DAMAGED', right: true, text: ({ damaged }) => formatCount(damaged) },
  { title: 'MISSING', right: true, text: ({ missing }) => formatCount(missing) },
  { title: 'BROKER GAPS', text: ({ gaps }) => gaps.map(({ from, until }) => `${from}/${until}`).join(' ') || '-' },
];

export const archiveHours = defineCommand<HoursOptions>({
  name: 'hours',
  summary: 'what was archived hour by hour, and where there are holes',
  notes: [
    'Every hour (UTC) from the first that is known to the last. An hour without events in which the archiver was up is one in which nothing came; down means that nobody archived. Time that the clock went on by itself, because it was set forward or the machine slept, is not up; the data folder knows that to a minute, a store alone does not. BROKER GAPS are stretches of time in which the broker may have dropped events, because it had forgotten the archiver. Days that the Go program wrote are not counted by the hour; they are named on stderr.',
  ],
  examples: [
    ['hydrant archive hours --since 2d', 'the last two days'],
    ['hydrant archive hours --holes', 'only hours in which something is missing or nothing came'],
    ['hydrant archive hours -o ndjson | jq -r \'select(.archiver != "up").hour\'', 'when nobody, or not all the time, archived'],
  ],
  define(command) {
    addTimeRange(command)
      .option('--holes', 'only hours without events, with something missing or damaged, or with the archiver not up all the time')
      .addOption(outputOption())
      .addOption(tzOption());
    addPlaceOptions(command);
  },
  async run({ options, io }) {
    const nowMs = Date.now();
    const range = parseTimeRange(options, { nowMs, timeZone: options.tz });
    await using place = await openArchivePlace(options, io);
    const [{ readCompleteness }, { HourCatalogue }] = await Promise.all([
      import('../../archive/hours/completeness.ts'),
      import('../../archive/hours/hour-catalogue.ts'),
    ]);
    using known = place.dataDir === undefined ? undefined : HourCatalogue.read(join(place.dataDir, 'catalogue.db'));
    const { hours, unknown } = await readCompleteness(place.catalogue, known, { range, nowMs });
    await printRows(io, chosenFormat(io, options.output), COLUMNS, options.holes ? hours.filter(hasHole) : hours);
    if (unknown.length > 0) io.stderr.write(`not counted by the hour: ${unknown.join(' ')}\n`);
    return undefined;
  },
});

function hasHole({ archiver, events, damaged, missing, gaps }: ArchivedHour): boolean {
  return archiver !== 'up' || events === 0 || damaged > 0 || missing > 0 || gaps.length > 0;
}
