import { join } from 'node:path';
import type { Repair } from '../../archive/verify/repair.ts';
import type { Note, Problem, VerifiedDay } from '../../archive/verify/verify-report.ts';
import { HydrantError } from '../../core/errors.ts';
import { formatSize } from '../../core/units.ts';
import { type ArchivePlace, addPlaceOptions, openArchivePlace, type PlaceOptions } from '../archive-place.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { type Io, write } from '../io.ts';
import { type Format, outputOption } from '../options.ts';
import { formatCount, Progress } from '../progress.ts';
import { chosenFormat, printRows, type RowColumn } from '../rows.ts';

interface VerifyOptions extends PlaceOptions {
  output?: Format;
  days?: boolean;
  repair?: boolean;
}

const PROBLEM_COLUMNS: RowColumn<Problem | Note>[] = [
  { title: 'DAY', text: ({ day }) => day || '-' },
  { title: 'FOUND', text: ({ kind }) => kind },
  { title: 'DETAIL', text: ({ detail }) => detail },
  { title: 'NAME', text: ({ name }) => name },
];

const DAY_COLUMNS: RowColumn<VerifiedDay>[] = [
  { title: 'DAY', text: ({ day }) => day },
  { title: 'OBJECTS', right: true, text: ({ objects }) => formatCount(objects) },
  { title: 'OPEN', right: true, text: ({ segments }) => formatCount(segments) },
  { title: 'EVENTS', right: true, text: ({ events }) => formatCount(events) },
  { title: 'SIZE', right: true, text: ({ bytes }) => formatSize(bytes) },
  { title: 'EXCLUDED', right: true, text: ({ excluded }) => formatCount(excluded) },
  { title: 'BROKER GAPS', right: true, text: ({ brokerGaps }) => formatCount(brokerGaps) },
  { title: 'REPEATED IDS', right: true, text: ({ repeatedIds }) => formatCount(repeatedIds) },
  { title: 'PROBLEMS', right: true, text: ({ problems }) => formatCount(problems) },
];

export const archiveVerify = defineCommand<VerifyOptions>({
  name: 'verify',
  summary: 'read everything that is kept and say what is missing or damaged',
  notes: [
    'Compares every object with its manifest and its hash, every line with its crc, every sequence with its neighbours, and the end of each start with what the next one says of it: gaps, duplicates, forks. With a data folder and a store both are read. Works beside a running server. Exit 3 when it finds anything.',
    'What is no fault of the archive is said as well, and does not count: broker-gap is a stretch of time in which the broker may have dropped events, repeated-id an event id that its publisher had used before (among the last 500 000 at least).',
    '--repair first puts into the store what is missing there and whole in the data folder. It deletes and overwrites nothing.',
  ],
  examples: [
    ['hydrant archive verify', 'exit 0 and one line when all is well'],
    ['hydrant archive verify --days', 'with what each day holds'],
    ["hydrant archive verify -o ndjson | jq -r 'select(.kind).name' | sort -u", 'the files to restore from a backup'],
    ['hydrant archive verify --data DIR --from s3://bucket/prefix --repair', 'upload again what the bucket lost and the folder still has'],
  ],
  define(command) {
    command
      .addOption(outputOption())
      .option('--days', 'also what each day holds')
      .option('--repair', 'first upload again what the store lost and the data folder has whole');
    addPlaceOptions(command);
  },
  async run({ options, io }) {
    // What a cache says of a store is no proof of what the store holds.
    await using place = await openArchivePlace({ ...options, cacheBytes: 0 }, io);
    const format = chosenFormat(io, options.output);
    const repaired = options.repair ? await repair(place, io) : undefined;
    const { verifyArchive } = await import('../../archive/verify/verify.ts');
    const progress = new Progress(io, 'verify', 'B');
    const both = place.dataDir !== undefined && place.remote ? await openBoth(place.dataDir, place.remote) : undefined;
    const copies = both && { local: both.local, other: { name: place.remote!.url, store: both.remote } };
    const result = await verifyArchive(place.catalogue, {
      copies,
      signal: io.signal,
      onProgress: ({ bytesDone, bytesTotal }) => progress.update(bytesDone, bytesTotal),
    }).finally(async () => {
      progress.clear();
      await both?.remote.close();
    });
    const { problems, notes, days, ...totals } = result;
    const shown = options.days ? days : [];
    if (format === 'json') await write(io.stdout, `${JSON.stringify({ ...result, repaired }, undefined, 2)}\n`);
    else {
      if (format === 'ndjson') await printRows(io, format, [], repaired ?? []);
      await printRows(io, format, DAY_COLUMNS, shown);
      await printRows(io, format, PROBLEM_COLUMNS, [...problems, ...notes]);
    }
    if (format === 'ndjson') await write(io.stdout, `${JSON.stringify(totals)}\n`);
    if (format === 'table') {
      const uploaded = repaired?.filter(({ outcome }) => outcome === 'uploaded');
      if (uploaded)
        await write(
          io.stdout,
          `uploaded again: ${uploaded.length} files, ${formatSize(uploaded.reduce((sum, { bytes }) => sum + bytes, 0))}\n`,
        );
      const found = result.problemCount === 0 ? 'no problem' : `${formatCount(result.problemCount)} problems`;
      const what = `${formatCount(result.events)} events in ${result.objects} objects and ${result.segments} open segments, ${days.length} days`;
      await write(io.stdout, `${what}: ${found}\n`);
    }
    const refused = repaired?.filter(({ outcome }) => outcome === 'refused') ?? [];
    for (const { key } of refused) io.stderr.write(`not uploaded: ${place.remote!.url}/${key} is there with other content\n`);
    if (refused.length > 0)
      io.stderr.write('  fix: Remove those from the store yourself, then run --repair again; the data folder has them whole.\n');
    if (result.problemCount === 0 && refused.length === 0) return EXIT.ok;
    if (result.problemCount > 0) io.stderr.write(`  fix: ${fixOf(place)}\n`);
    return EXIT.partial;
  },
});

function fixOf({ dataDir, remote }: ArchivePlace): string {
  const restore = 'Restore the files named above from a backup. What is left out here is left out by find and replay too.';
  if (dataDir === undefined || !remote) return restore;
  return `What the store lost and the data folder has: run it with --repair. What is damaged in the store alone: remove it there first. ${restore}`;
}

async function repair({ dataDir, remote }: ArchivePlace, io: Io): Promise<Repair[]> {
  if (dataDir === undefined || !remote) {
    throw new HydrantError('HYD_USAGE', '--repair needs a data folder and a store', {
      fix: 'Give --data DIR, and --from URL or archive.to.',
    });
  }
  const { repairRemote } = await import('../../archive/verify/repair.ts');
  const both = await openBoth(dataDir, remote);
  try {
    const bodyOf = (key: string): { path: string } => ({ path: join(dataDir, 'archive', key) });
    const repairs: Repair[] = [];
    for await (const done of repairRemote({ ...both, bodyOf, signal: io.signal })) repairs.push(done);
    return repairs;
  } finally {
    await both.remote.close();
  }
}

/** Apart, where the catalogue reads them as one. */
async function openBoth(dataDir: string, { url, s3 }: NonNullable<ArchivePlace['remote']>) {
  const [{ createFsStore }, { openStore }] = await Promise.all([import('../../storage/drivers/fs.ts'), import('../../storage/open.ts')]);
  return { local: createFsStore(join(dataDir, 'archive')), remote: await openStore(url, { s3 }) };
}
