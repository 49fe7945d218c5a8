import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './machine.ts';

/** Git-ignored: the results, the compiled generator and, while it runs, the data folders. On the local disk, unlike a /tmp in memory. */
export const resultsFolder = new URL('results/', import.meta.url).pathname;
mkdirSync(resultsFolder, { recursive: true });

const file = join(resultsFolder, 'results.json');

/** What one benchmark found: a table row or a few figures, and when and where. */
export interface Result {
  at: string;
  machine: Machine;
  /** Series → figure → the values of all runs, in order. */
  runs: Record<string, Record<string, number[]>>;
}

export type Results = Record<string, Result>;

export function readResults(): Results {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/** Adds to what earlier runs of other benchmarks found. */
export function saveResult(name: string, result: Result): void {
  writeFileSync(file, `${JSON.stringify({ ...readResults(), [name]: result }, null, 2)}\n`);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
