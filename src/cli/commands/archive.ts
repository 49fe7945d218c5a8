import type { ArchiveItem, ArchivePeriod } from '../../archive/read/ls.ts';
import { parseTimeRange } from '../../core/time-range.ts';
import { formatSize } from '../../core/units.ts';
import { addPlaceOptions, openArchivePlace, type PlaceOptions } from '../archive-place.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { addTimeRange, type Format, outputOption, tzOption } from '../options.ts';
import { createPolling } from '../polling.ts';
import { formatCount } from '../progress.ts';
import { chosenFormat, followRows, printRows, type RowColumn } from '../rows.ts';
import { archiveHours } from './archive-hours.ts';
import { archiveImport } from './archive-import.ts';
import { archiveRun } from './archive-run.ts';
import { archiveVerify } from './archive-verify.ts';

interface ArchiveOptions extends PlaceOptions {
  since?: string;
  until?: string;
  output?: Format;
  tz: string;
}

const sequences = ({ firstSeq, lastSeq }: { firstSeq?: number; lastSeq?: number }): string =>
  firstSeq === undefined ? '-' : `${firstSeq}-${lastSeq}`;

const PERIOD_COLUMNS: RowColumn<ArchivePeriod>[] = [
  { title: 'DAY', text: ({ day }) => day },
  { title: 'HOUR', text: ({ hour }) => hour ?? '-' },
  { title: 'SEALED', right: true, text: ({ sealed }) => String(sealed) },
  { title: 'OPEN', right: true, text: ({ open }) => String(open) },
  { title: 'EVENTS', right: true, text: ({ events }) => formatCount(events) },
  { title: 'GAPS', right: true, text: ({ brokerGaps }) => formatCount(brokerGaps) },
  { title: 'SIZE', right: true, text: ({ bytes }) => formatSize(bytes) },
  { title: 'SEQUENCES', text: sequences },
];

const ITEM_COLUMNS: RowColumn<ArchiveItem>[] = [
  { title: 'DAY', text: ({ day }) => day },
  { title: 'HOUR', text: ({ hour }) => hour ?? '-' },
  { title: 'STATE', text: ({ state }) => state },
  { title: 'EVENTS', right: true, text: ({ events }) => (events === undefined ? '?' : formatCount(events)) },
  { title: 'GAPS', right: true, text: ({ brokerGaps }) => (brokerGaps === undefined ? '?' : formatCount(brokerGaps)) },
  { title: 'SIZE', right: true, text: ({ bytes }) => formatSize(bytes) },
  { title: 'SEQUENCES', text: sequences },
  { title: 'NAME', text: ({ name }) => name },
];

const ls = defineCommand<ArchiveOptions & { long?: boolean; follow?: boolean }>({
  name: 'ls',
  summary: 'list what is kept, by hour and day',
  examples: [
    ['hydrant archive ls', 'an hour a line (UTC): sealed objects and open segments, events, size, sequences'],
    ['hydrant archive ls --since today -l', 'each object and segment of today'],
    ['hydrant archive ls --since today -f', 'today so far, then each hour again whenever it has changed'],
    ["hydrant archive ls -o ndjson | jq -s 'map(.events) | add'", 'how many events are kept'],
  ],
  define(command) {
    addTimeRange(command)
      .option('-l, --long', 'each object and segment')
      .option('-f, --follow', 'go on with what is new or has changed, until it is interrupted')
      .addOption(outputOption())
      .addOption(tzOption());
    addPlaceOptions(command);
  },
  async run({ options, io }) {
    const range = parseTimeRange(options, { nowMs: Date.now(), timeZone: options.tz });
    await using place = await openArchivePlace(options, io);
    const { listItems, summarize } = await import('../../archive/read/ls.ts');
    const format = chosenFormat(io, options.output);
    const items = (): AsyncIterable<ArchiveItem> => listItems(place.catalogue, range);
    const periods = (): Promise<ArchivePeriod[]> => summarize(items());
    if (options.follow) {
      const poll = createPolling(place, io.signal);
      if (options.long) await followRows(io, format, ITEM_COLUMNS, { list: items, nameOf: ({ name }) => name, poll });
      else await followRows(io, format, PERIOD_COLUMNS, { list: periods, nameOf: ({ day, hour }) => `${day} ${hour}`, poll });
    } else if (options.long) await printRows(io, format, ITEM_COLUMNS, items());
    else await printRows(io, format, PERIOD_COLUMNS, await periods());
    return undefined;
  },
});

export const archive: CommandDefinition = {
  ...archiveRun,
  name: 'archive',
  summary: 'archive a broker; list or verify what is kept',
  commands: [ls, archiveHours, archiveVerify, archiveImport],
};
