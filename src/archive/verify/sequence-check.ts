/** Sequences that one object or segment tells of: held or deliberately absent. */
export interface SequenceRun {
  name: string;
  kind: 'object' | 'segment';
  journal: string;
  epoch: string;
  first: number;
  last: number;
  /** Day of its first event, milliseconds. */
  dayMs: number;
  /** Lines of the object, where it is told of by this run alone. */
  events?: number;
}

/** What the first object or segment of an epoch says of the one before. */
export interface EpochEnd {
  journal: string;
  /** The epoch that had ended. */
  epoch: string;
  /** Its last sequence. */
  last: number;
  /** Who says so. */
  name: string;
  dayMs: number;
}

export interface SequenceFault {
  /** `end`: sequences at the end of an epoch. */
  kind: 'gap' | 'duplicate' | 'fork' | 'end';
  journal: string;
  epoch: string;
  first: number;
  last: number;
  dayMs: number;
  name: string;
  other: string;
}

/**
 * Compares every run with its neighbours: within an epoch sequences follow each other without a hole, and no two objects tell the same
 * one; of a journal no sequence is in two epochs. A segment beside its own sealed object is no duplicate. What is missing before the
 * first run of an epoch went by retention or was never given out; a new epoch begins above all that an earlier one may have given out.
 */
export function findFaults(runs: readonly SequenceRun[], ends: readonly EpochEnd[] = []): SequenceFault[] {
  const faults: SequenceFault[] = [];
  for (const [journal, own] of Map.groupBy(runs, (run) => run.journal)) {
    faults.push(...findForks(own));
    for (const epoch of Map.groupBy(own, (run) => run.epoch).values()) faults.push(...findGaps(epoch));
    for (const end of ends) if (end.journal === journal) faults.push(...findMissingEnd(own, end));
  }
  return faults;
}

/** An epoch of which nothing is left may have gone by retention, which takes the oldest first, unless something older is left. */
function findMissingEnd(runs: readonly SequenceRun[], end: EpochEnd): SequenceFault[] {
  const before = runs
    .filter((run) => run.first <= end.last)
    .toSorted((a, b) => a.last - b.last)
    .at(-1);
  if (!before || before.last >= end.last) return [];
  const { journal, epoch, last, name, dayMs } = end;
  return [{ kind: 'end', journal, epoch, first: before.last + 1, last, dayMs, name: before.name, other: name }];
}

/**
 * Makes one run of those of one epoch and kind that follow each other without a hole, so that what is to be remembered of a long
 * archive stays small. Its name is that of the last.
 */
export function mergeRuns(runs: readonly SequenceRun[]): SequenceRun[] {
  const merged: SequenceRun[] = [];
  for (const own of Map.groupBy(runs, ({ journal, epoch, kind }) => `${journal}-${epoch}-${kind}`).values()) {
    let before: SequenceRun | undefined;
    for (const run of own.sort((a, b) => a.first - b.first)) {
      if (before && before.last + 1 === run.first) Object.assign(before, { last: run.last, name: run.name });
      else {
        before = { ...run };
        merged.push(before);
      }
    }
  }
  return merged;
}

function findGaps(runs: SequenceRun[]): SequenceFault[] {
  const faults: SequenceFault[] = [];
  runs.sort((a, b) => a.first - b.first || a.last - b.last);
  let before: SequenceRun | undefined;
  let object: SequenceRun | undefined;
  for (const run of runs) {
    if (before && run.first > before.last + 1) faults.push(fault('gap', run, before, before.last + 1, run.first - 1));
    if (run.kind === 'object') {
      if (object && run.first <= object.last) faults.push(fault('duplicate', run, object, run.first, Math.min(run.last, object.last)));
      if (!object || run.last > object.last) object = run;
    }
    if (!before || run.last > before.last) before = run;
  }
  return faults;
}

function findForks(runs: SequenceRun[]): SequenceFault[] {
  const faults: SequenceFault[] = [];
  const sorted = runs.toSorted((a, b) => a.first - b.first);
  let farthest = sorted[0];
  for (const run of sorted) {
    if (farthest && run.epoch !== farthest.epoch && run.first <= farthest.last) {
      faults.push(fault('fork', run, farthest, run.first, Math.min(run.last, farthest.last)));
    }
    if (!farthest || run.last > farthest.last) farthest = run;
  }
  return faults;
}

function fault(kind: SequenceFault['kind'], run: SequenceRun, other: SequenceRun, first: number, last: number): SequenceFault {
  return { kind, journal: run.journal, epoch: run.epoch, first, last, dayMs: run.dayMs, name: run.name, other: other.name };
}
