import type { HourGroup } from '../archive-groups.ts';
import { type HivePlace, widestFirst } from '../keys.ts';
import type { CompactOptions } from './compact-options.ts';

export interface HourPlan {
  /** Each becomes one object. */
  runs: HourGroup[][];
  /** What a whole object holds that was put together, by its side. */
  leftOver: { group: HourGroup; whole: HourGroup }[];
  /** Manifests of objects that were to be put together, until a crash. */
  unfinished: HourGroup[];
}

/** Says from names and sizes alone what is to be done in an hour. */
export function planHour(groups: Iterable<HourGroup>, options: CompactOptions): HourPlan {
  const plan: HourPlan = { runs: [], leftOver: [], unfinished: [] };
  const top: HourGroup[] = [];
  let whole: HourGroup | undefined;
  for (const group of [...groups].sort(widestFirst)) {
    if (whole && isWithin(group, whole)) plan.leftOver.push({ group, whole });
    else {
      const before = top.at(-1);
      // Where every sequence is absent nothing else is of the same sequences.
      if (before?.objects.length === 0 && isWithin(group, before)) plan.unfinished.push(top.pop()!);
      top.push(group);
      if (group.objects.length > 0 && group.manifest !== undefined) whole = group;
    }
  }
  plan.runs = findRuns(top, options);
  return plan;
}

function isWithin(group: HivePlace, other: HivePlace): boolean {
  return group.journal === other.journal && group.epoch === other.epoch && group.first >= other.first && group.last <= other.last;
}

function findRuns(groups: readonly HourGroup[], options: CompactOptions): HourGroup[][] {
  const runs: HourGroup[][] = [];
  let run: HourGroup[] = [];
  const end = (): void => {
    const objects = run.flatMap((group) => group.objects).length;
    if (objects >= (options.format === 'parquet' ? 1 : options.minObjects)) runs.push(run);
    run = [];
  };
  for (const group of groups) {
    if (!mayJoin(group)) {
      end();
      continue;
    }
    if (run.length > 0 && !mayFollow(run, group, options)) end();
    run.push(group);
  }
  end();
  return runs;
}

function mayJoin({ objects, manifest }: HourGroup): boolean {
  return manifest !== undefined && objects.length <= 1 && objects[0]?.codec !== 'parquet';
}

function mayFollow(run: readonly HourGroup[], next: HourGroup, { maxBytes, format }: CompactOptions): boolean {
  const last = run.at(-1)!;
  if (last.journal !== next.journal || last.epoch !== next.epoch || last.last + 1 !== next.first) return false;
  const objects = [...run, next].flatMap((group) => group.objects);
  if (objects.reduce((sum, { bytes }) => sum + bytes, 0) > maxBytes) return false;
  return format === 'parquet' || new Set(objects.map(({ codec }) => codec)).size <= 1;
}
