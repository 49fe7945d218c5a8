import { basename } from 'node:path';
import type { TimeRange } from '../../core/time-range.ts';
import type { Manifest } from '../../wire/manifest.ts';
import { type ArchiveGroup, type HourGroup, listDays, listHours } from '../archive-groups.ts';
import { type Catalogue, hourPrefixes } from '../catalogue.ts';
import { PieceGone } from '../chunks.ts';
import { DAY_MS, HOUR_MS } from '../keys.ts';
import { lookAhead } from '../look-ahead.ts';
import { holdsAll, type SeqRange, SeqSet } from '../seq-set.ts';
import type { HourCatalogue } from './hour-catalogue.ts';
import { type EpochFact, type Facts, factsOfManifest, factsOfSegment, type GapFact, type HourFact, type PauseFact } from './hour-facts.ts';

/** What was archived of one hour of arrival. */
export interface ArchivedHour {
  /** `YYYY-MM-DDTHH`, UTC. */
  hour: string;
  /** `up`: somebody archived all through it, so no events means that none came. `down`: nobody did. */
  archiver: 'up' | 'partly' | 'down';
  /** How long somebody is known to have archived, milliseconds. */
  upMs: number;
  events: number;
  /** Uncompressed. */
  bytes: number;
  /** Events that were marked as sent before. */
  dup: number;
  /** Sequences that were left out on purpose, that were damaged, and that are nowhere. */
  excluded: number;
  damaged: number;
  missing: number;
  /** Stretches of time in which the broker may have dropped events, each in every hour that it touches. */
  gaps: Pick<GapFact, 'reason' | 'broker' | 'from' | 'until'>[];
}

export interface Completeness {
  /** Every hour from the first that anything is known of to the last, those without events too. */
  hours: ArchivedHour[];
  /** Days (`YYYY-MM-DD`) that the seed program wrote: nothing says how many events an hour of them has. */
  unknown: string[];
}

/**
 * What was archived hour by hour, and whether anybody archived. Reads the catalogue of hours where there is one, manifests for what that does
 * not have, and segments that are not sealed.
 * @param range whole hours that it touches
 * @throws HYD_STORE
 */
export async function readCompleteness(
  catalogue: Catalogue,
  known: HourCatalogue | undefined,
  options: { range?: TimeRange; nowMs: number },
): Promise<Completeness> {
  const { range = {}, nowMs } = options;
  // An epoch that ran through an hour without events is known by what it has before and after.
  const wide = { sinceMs: range.sinceMs && range.sinceMs - DAY_MS, untilMs: range.untilMs && range.untilMs + DAY_MS };
  const facts = known?.facts(wide) ?? { hours: [], epochs: [], gaps: [] };
  const unknown = new Set<string>();
  for await (const piece of newFacts(catalogue, facts, wide)) {
    if (typeof piece === 'string') unknown.add(piece);
    else for (const key of ['hours', 'epochs', 'gaps'] as const) (facts[key] as unknown[]).push(...piece[key]);
  }
  return { hours: toHours(facts, known?.pauses() ?? [], { range, nowMs }), unknown: [...unknown].sort() };
}

type FactSource = Pick<Catalogue, 'manifest' | 'segments' | 'store'>;

/** What objects and segments say that is not known yet, and days of which nothing can be said. */
export async function* newFacts(catalogue: FactSource, { hours }: Pick<Facts, 'hours'>, range: TimeRange): AsyncGenerator<Facts | string> {
  const seen = new SeqSet();
  for (const hour of hours) seen.add(hour.journal, hour.epoch, hour);
  for (let look = 1; ; look++) {
    // As everywhere: what moves on meanwhile is seen twice, never missed.
    const segments = await catalogue.segments();
    for await (const facts of sealedFacts(catalogue, seen, range)) yield note(seen, facts);
    let gone: PieceGone | undefined;
    for (const piece of segments) {
      if (isSeen(seen, piece.journal, piece.epoch, piece) || !isTouched(piece.fromMs, piece.untilMs - piece.fromMs, range)) continue;
      try {
        yield note(seen, await factsOfSegment(piece, seen.overlap(piece.journal, piece.epoch, piece)));
      } catch (error) {
        if (!(error instanceof PieceGone)) throw error;
        gone = error;
      }
    }
    // By now it is an object.
    if (!gone) return;
    if (look === TRIES) throw gone.cause;
  }
}

const TRIES = 5;

async function* sealedFacts(catalogue: FactSource, seen: SeqSet, range: TimeRange): AsyncGenerator<Facts | string> {
  const hourGroups = listHours(catalogue.store, hourPrefixes(range));
  const isNew = (group: HourGroup): boolean => isTouched(group.fromMs, HOUR_MS, range) && !isSeen(seen, group.journal, group.epoch, group);
  for await (const group of lookAhead(hourGroups, async (next) => isNew(next) && catalogue.manifest(next.manifest?.key))) {
    if (!isNew(group)) continue;
    const manifest = await wholeManifest(catalogue, group);
    if (manifest) yield factsOfManifest(manifest, group.fromMs);
  }
  for await (const group of listDays(catalogue.store)) {
    if (!isTouched(group.fromMs, DAY_MS, range)) continue;
    const manifest = await wholeManifest(catalogue, group);
    if (manifest?.parts.some(({ journal, epoch, firstSeq: first, lastSeq: last }) => !isSeen(seen, journal, epoch, { first, last }))) {
      yield factsOfManifest(manifest, group.fromMs);
    }
    if (group.objects.some(({ key }) => basename(key) !== manifest?.object)) yield new Date(group.fromMs).toISOString().slice(0, 10);
  }
}

function isSeen(seen: SeqSet, journal: string, epoch: string, run: SeqRange): boolean {
  return holdsAll(seen.overlap(journal, epoch, run), run);
}

function note(seen: SeqSet, facts: Facts | string): Facts | string {
  if (typeof facts !== 'string') for (const { journal, epoch, first, last } of facts.hours) seen.add(journal, epoch, { first, last });
  return facts;
}

function isTouched(fromMs: number, lengthMs: number, { sinceMs, untilMs }: TimeRange): boolean {
  return fromMs + lengthMs > (sinceMs ?? Number.NEGATIVE_INFINITY) && fromMs < (untilMs ?? Number.POSITIVE_INFINITY);
}

/** Undefined when there is none, or not the object that it describes. */
async function wholeManifest(catalogue: FactSource, { manifest: file, objects }: ArchiveGroup): Promise<Manifest | undefined> {
  const manifest = await catalogue.manifest(file?.key);
  const isWhole = manifest && (manifest.object === null || objects.some(({ key }) => basename(key) === manifest.object));
  return isWhole ? manifest : undefined;
}

function toHours(facts: Facts, pauses: readonly PauseFact[], { range, nowMs }: { range: TimeRange; nowMs: number }): ArchivedHour[] {
  const runs = withoutContained(facts.hours);
  const spans = lifetimes(facts.epochs, runs, pauses);
  const moments = [...spans.map(([from]) => from), ...runs.map(({ minMs }) => minMs)];
  const ends = [...spans.map(([, until]) => until), ...runs.map(({ maxMs }) => maxMs + 1)];
  const fromMs = floorHour(Math.max(range.sinceMs ?? Number.NEGATIVE_INFINITY, least(moments)));
  const untilMs = Math.min(range.untilMs ?? Number.POSITIVE_INFINITY, -least(ends.map((end) => -end)));
  const missing = missingBefore(runs);
  const byHour = Map.groupBy(runs, ({ hourMs }) => hourMs);
  const hours: ArchivedHour[] = [];
  for (let hourMs = fromMs; hourMs < untilMs; hourMs += HOUR_MS) {
    const own = byHour.get(hourMs) ?? [];
    const sum = (key: 'events' | 'bytes' | 'dup' | 'excluded' | 'damaged'): number => own.reduce((total, run) => total + run[key], 0);
    const endMs = Math.min(hourMs + HOUR_MS, Math.max(nowMs, hourMs + 1));
    const upMs = covered(spans, hourMs, endMs);
    const events = sum('events');
    hours.push({
      hour: new Date(hourMs).toISOString().slice(0, 13),
      archiver: upMs >= endMs - hourMs - SLACK_MS ? 'up' : upMs > 0 || events > 0 ? 'partly' : 'down',
      upMs,
      events,
      bytes: sum('bytes'),
      dup: sum('dup'),
      excluded: sum('excluded'),
      damaged: sum('damaged'),
      missing: own.reduce((total, run) => total + (missing.get(run) ?? 0), 0),
      gaps: facts.gaps.filter(({ from, until }) => Date.parse(from) < hourMs + HOUR_MS && Date.parse(until) >= hourMs).map(gapOf),
    });
  }
  return hours;
}

/** A sign of life is noted each minute, and a start takes a moment. */
const SLACK_MS = 90_000;

function gapOf({ reason, broker, from, until }: GapFact): ArchivedHour['gaps'][number] {
  return { reason, broker, from, until };
}

/** Runs that were put together tell what those that they were made of tell. */
function withoutContained(runs: readonly HourFact[]): HourFact[] {
  const kept: HourFact[] = [];
  for (const own of Map.groupBy(runs, ({ journal, epoch }) => `${journal}-${epoch}`).values()) {
    let last = -1;
    for (const run of own.sort((a, b) => a.first - b.first || b.last - a.last)) {
      if (run.last <= last) continue;
      kept.push(run);
      last = run.last;
    }
  }
  return kept;
}

/** Sequences between a run and the one before it in its epoch. */
function missingBefore(runs: readonly HourFact[]): Map<HourFact, number> {
  const missing = new Map<HourFact, number>();
  for (const [i, run] of runs.entries()) {
    const before = runs[i - 1];
    if (before?.journal === run.journal && before.epoch === run.epoch && run.first > before.last + 1)
      missing.set(run, run.first - before.last - 1);
  }
  return missing;
}

type Span = [fromMs: number, untilMs: number];

/** When somebody archived: from each start to its end, or to the last that is known of it, without its pauses. */
function lifetimes(epochs: readonly EpochFact[], runs: readonly HourFact[], pauses: readonly PauseFact[]): Span[] {
  const spans = new Map<string, Span>();
  const extend = (journal: string, epoch: string, ...moments: (number | undefined)[]): void => {
    const known = moments.filter((ms) => ms !== undefined);
    if (known.length === 0) return;
    const [from, until] = spans.get(`${journal}-${epoch}`) ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    spans.set(`${journal}-${epoch}`, [Math.min(from, ...known), Math.max(until, ...known)]);
  };
  for (const { journal, epoch, openedMs, aliveMs, closedMs } of epochs) extend(journal, epoch, openedMs, aliveMs, closedMs);
  for (const { journal, epoch, minMs, maxMs, events } of runs) if (events > 0) extend(journal, epoch, minMs, maxMs);
  const paused = Map.groupBy(pauses, ({ journal, epoch }) => `${journal}-${epoch}`);
  return [...spans].flatMap(([name, span]) => withoutPauses(span, paused.get(name) ?? []));
}

/** Beside a pause a moment is none: a start under a clock that is set right soon. */
function withoutPauses(span: Span, pauses: readonly PauseFact[]): Span[] {
  return pauses.reduce<Span[]>(
    (spans, { fromMs, untilMs }) =>
      spans.flatMap(([from, until]): Span[] => {
        if (fromMs >= until || untilMs <= from) return [[from, until]];
        const beside: Span[] = [
          [from, fromMs],
          [untilMs, until],
        ];
        return beside.filter(([begin, end]) => end - begin > SLACK_MS);
      }),
    [span],
  );
}

/** How much of `[fromMs, untilMs)` the spans cover together. */
function covered(spans: readonly Span[], fromMs: number, untilMs: number): number {
  let sum = 0;
  let at = fromMs;
  for (const [from, until] of spans.toSorted((a, b) => a[0] - b[0])) {
    const end = Math.min(until, untilMs);
    if (end <= at) continue;
    sum += Math.max(0, end - Math.max(from, at));
    at = Math.max(at, end);
  }
  return sum;
}

function floorHour(ms: number): number {
  return Math.floor(ms / HOUR_MS) * HOUR_MS;
}

function least(values: readonly number[]): number {
  return values.reduce((min, value) => Math.min(min, value), Number.POSITIVE_INFINITY);
}
