import { Option } from 'commander';
import { HydrantError } from '../../core/errors.ts';
import { parseTimeRange, type TimeRange } from '../../core/time-range.ts';
import type { QoS } from '../../wire/event.ts';
import { assertFilter, assertTopic } from '../../wire/topic.ts';
import { addPlaceOptions, openArchivePlace, type PlaceOptions } from '../archive-place.ts';
import { type Call, defineCommand } from '../command.ts';
import { addConnectionOptions, type ConnectionOptions, parseQos, resolveConnection } from '../connection-options.ts';
import { EXIT } from '../exit-codes.ts';
import { write } from '../io.ts';
import { addTimeRange, perSecond, speedFactor, tzOption, wholeNumber } from '../options.ts';
import { createPolling } from '../polling.ts';
import { parseRewrite, type Rewrite } from '../replay/rewrite.ts';

interface ReplayCommandOptions extends ConnectionOptions, PlaceOptions {
  since?: string;
  until?: string;
  where?: string;
  limit?: number;
  speed: number;
  rate?: number;
  to?: string;
  rewrite?: Rewrite[];
  qos?: QoS;
  retain: boolean;
  skipReplayed?: boolean;
  follow?: boolean;
  dryRun?: boolean;
  resume?: boolean;
  checkpoint?: string;
  tz: string;
}

export const replay = defineCommand<ReplayCommandOptions>({
  name: 'replay',
  summary: 'publish kept events again',
  notes: [
    'Reads the data folder as `find` does and publishes to any MQTT broker, in order, with the original QoS and retain flag, and waits for every acknowledgement. It reads up to the moment at which it began, so replaying to the server of the same folder ends.',
    'Over MQTT 5, the default here, each event keeps its properties and is marked with the user property hydrant-replay: JOURNAL-EPOCH-SEQUENCE of the record that it was. MQTT 3.1.1 has no room for a mark: use --to there to tell them apart. `--skip-replayed` of find, replay and sub, and `replayed` in --where, leave marked events out; the archive keeps them.',
    'How far it came is noted in DATA/replay about once a second. After an interruption the same command with --resume goes on from there: nothing is left out, at most the last moment is sent twice.',
  ],
  examples: [
    ["hydrant replay 'plant/#' --since 1h --to test", 'the last hour, under test/plant/…, as fast as accepted'],
    [
      'hydrant replay --since yesterday --until today --speed x10 --url mqtt://staging:1883',
      'yesterday at ten times its pace, to another broker',
    ],
    ["hydrant replay 'orders/#' --since 2026-11-01 --dry-run", 'how many events, and how long it would take'],
    ["hydrant replay --rewrite 'plant/+/temp=lab/$1/t' --since 1d", 'under other topics, the rest as they were'],
    ["hydrant replay 'plant/#' --from s3://events/site-1 --since 7d --url mqtt://staging", 'from a bucket, without a data folder'],
    ["hydrant replay 'plant/#' --since now --follow --to mirror --url mqtt://other", 'everything from now on, as it is kept'],
    ["hydrant replay 'orders/#' --since 2026-11-01 --rate 500/s --resume", 'go on where it was interrupted'],
  ],
  define(command) {
    addTimeRange(command.argument('[filter...]', 'topics, as MQTT filters; default #, which is all but topics that begin with $'))
      .option('-w, --where <cel>', 'only events for which this expression is true')
      .option('-n, --limit <count>', 'events to replay, at most', wholeNumber(1))
      .addOption(
        new Option('--speed <factor>', 'x1 at the pace it happened, x10 ten times that, max as fast as accepted')
          .argParser(speedFactor)
          .default(Number.POSITIVE_INFINITY, 'max'),
      )
      .addOption(new Option('--rate <rate>', 'at most so many: 1000/s, 600/min').argParser(perSecond))
      .option('--to <prefix>', 'publish under this topic: PREFIX/original/topic')
      .addOption(
        new Option(
          '--rewrite <rule>',
          'FILTER=TOPIC: publish what matches to TOPIC, where $1, $2, … are what its wildcards matched; repeatable, the first that matches',
        ).argParser(parseRewrite),
      )
      .addOption(new Option('--qos <qos>', 'instead of the original QoS').argParser(parseQos))
      .option('--no-retain', 'without the retain flag')
      .option('--skip-replayed', 'leave out what is marked as replayed')
      .option('-f, --follow', 'go on with what is kept later, until it is interrupted; leaves out what is marked as replayed')
      .option('--dry-run', 'count what would be published, publish nothing')
      .option('--resume', 'go on from the checkpoint of the same command')
      .option('--checkpoint <file>', 'where to note how far it came (default: in DATA/replay)')
      .addOption(tzOption());
    addPlaceOptions(command);
    addConnectionOptions(command);
  },
  run: runReplay,
});

async function runReplay({ args, options, io }: Call<ReplayCommandOptions>): Promise<number> {
  for (const filter of args) assertFilter(filter);
  if (options.to !== undefined) assertTopic(options.to);
  const { topic, ...target } = resolveConnection(options, io.env, 5);
  if (topic !== undefined)
    throw new HydrantError('HYD_USAGE', `the URL names the topic ${topic}`, {
      fix: 'Leave the path out of --url; --to PREFIX publishes elsewhere.',
    });
  if (options.follow) checkFollow(options, target.version);
  const nowMs = Date.now();
  // What arrives from now on is left out: it may be this replay's own.
  const range = { ...(!options.follow && { untilMs: nowMs }), ...parseTimeRange(options, { nowMs, timeZone: options.tz }) };
  const [{ searchHistory }, { Pace }, checkpoints] = await Promise.all([
    import('../search.ts'),
    import('../replay/pace.ts'),
    import('../replay/checkpoint.ts'),
  ]);
  await using place = await openArchivePlace(options, io);
  const { where, limit, skipReplayed } = options;
  const follow = options.follow ? createPolling(place, io.signal) : undefined;
  const search = (from: TimeRange): ReturnType<typeof searchHistory> =>
    searchHistory(place.catalogue, { filters: args, where, limit, skipReplayed: skipReplayed || options.follow, range: from, follow }, io);
  if (options.dryRun) return await dryRun(await search(range), options, io);
  const { resolveDataDir } = await import('../../app/data-dir.ts');
  const replayArgs = {
    url: target.url,
    from: options.from,
    filters: args,
    since: options.since,
    until: options.until,
    where,
    limit,
    skipReplayed: options.skipReplayed,
    follow: options.follow,
    to: options.to,
    rewrite: options.rewrite,
    qos: options.qos,
    retain: options.retain,
    tz: options.tz,
  };
  const path = options.checkpoint ?? checkpoints.checkpointPath(resolveDataDir(options.data, io.env), replayArgs);
  const before = options.resume ? await checkpoints.readCheckpoint(path, replayArgs) : undefined;
  const checkpoint = before ?? { v: 1 as const, args: replayArgs, range, finished: [], journal: '', seq: 0, published: 0 };
  const found = await search(checkpoint.range);
  const writer = new checkpoints.CheckpointWriter(path, structuredClone(checkpoint));
  await writer.open();
  const { createTopicOf, replay: run } = await import('../replay/replay.ts');
  const pace = new Pace({ speed: options.speed, rate: options.rate });
  const { published, leftOut } = await run(
    found,
    target,
    { ...options, topicOf: createTopicOf(options), pace, writer, behind: checkpoints.skipper(before) },
    io,
  );
  await writer.remove();
  if (leftOut > 0) io.stderr.write(`${leftOut} events on topics that begin with $ were left out; --to PREFIX replays them too\n`);
  const partial = found.report({ always: false }) || leftOut > 0;
  await write(io.stdout, `${JSON.stringify({ published, resumedAfter: before?.published, leftOut })}\n`);
  return partial ? EXIT.partial : EXIT.ok;
}

/** It must not follow itself: what it publishes may be kept in what it reads. */
function checkFollow({ until, dryRun }: ReplayCommandOptions, version: number): void {
  const why = until !== undefined ? '--until ends it' : dryRun ? '--dry-run counts what is there' : 'MQTT 3.1.1 has no room for its marks';
  if (until === undefined && !dryRun && version === 5) return;
  throw new HydrantError('HYD_USAGE', `--follow goes on for ever and passes over what it has published itself, but ${why}`, {
    fix: 'Leave one of the two out.',
  });
}

async function dryRun(
  search: Awaited<ReturnType<typeof import('../search.ts').searchHistory>>,
  options: ReplayCommandOptions,
  io: Call<unknown>['io'],
): Promise<number> {
  const [{ createTopicOf, isRefused }, { plannedMs }] = await Promise.all([import('../replay/replay.ts'), import('../replay/pace.ts')]);
  const topicOf = createTopicOf(options);
  let events = 0;
  let bytes = 0;
  let first = '';
  let last = '';
  for await (const records of search.records) {
    for (const { event } of records) {
      if (isRefused(topicOf(event.topic))) continue;
      events++;
      bytes += event.payload.length;
      first ||= event.ts;
      last = event.ts;
    }
  }
  const partial = search.report({ always: false });
  const spanMs = events > 0 ? Date.parse(last) - Date.parse(first) : 0;
  const takesMs = plannedMs(events, spanMs, options);
  await write(
    io.stdout,
    `${JSON.stringify({ dryRun: true, events, bytes, first: first || undefined, last: last || undefined, spanMs, takesMs })}\n`,
  );
  return partial ? EXIT.partial : EXIT.ok;
}
