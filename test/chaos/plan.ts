import type { Random } from '../../src/testing/random.ts';

/** What is broken: two faults of one part follow each other, those of others overlap. */
export type Part = 'broker' | 'link' | 'disk' | 'client' | 'login';

export interface Fault {
  kind: FaultKind;
  /** After the one before, milliseconds. */
  afterMs: number;
  /** How long it lasts; of a clock how far it is set; of a cut packet after how many bytes. */
  amount: number;
}

export type FaultKind = keyof typeof KINDS;

interface Kind {
  parts: readonly Part[];
  /** Drawn evenly from these. */
  amount: readonly [from: number, to: number];
  unit: string;
}

const DAY_MS = 86_400_000;

export const KINDS = {
  'kill the broker': { parts: ['broker'], amount: [0, 500], unit: 'ms' },
  'stop the broker': { parts: ['broker'], amount: [0, 500], unit: 'ms' },
  'freeze the broker': { parts: ['broker'], amount: [100, 3500], unit: 'ms' },
  'replace the data of the broker': { parts: ['broker'], amount: [0, 500], unit: 'ms' },
  'wipe the session': { parts: ['broker', 'link'], amount: [0, 0], unit: 'ms' },
  'black hole': { parts: ['link'], amount: [100, 3500], unit: 'ms' },
  'reset connections': { parts: ['link'], amount: [0, 0], unit: 'ms' },
  'cut what the client sends': { parts: ['link'], amount: [1, 20_000], unit: 'bytes' },
  'cut what the broker sends': { parts: ['link'], amount: [1, 2000], unit: 'bytes' },
  'fill the disk': { parts: ['disk'], amount: [100, 2000], unit: 'ms' },
  'kill the client': { parts: ['client'], amount: [0, 300], unit: 'ms' },
  'set the clock': { parts: ['client'], amount: [-DAY_MS, DAY_MS], unit: 'ms' },
  'refuse the login': { parts: ['login'], amount: [100, 1500], unit: 'ms' },
} as const satisfies Record<string, Kind>;

/** Faults for so many seconds, `meanMs` apart: each kind once in random order, then again. */
export function drawPlan(random: Random, kinds: readonly FaultKind[], seconds: number, meanMs: number): Fault[] {
  const plan: Fault[] = [];
  let left: FaultKind[] = [];
  for (let atMs = 0; atMs < seconds * 1000; ) {
    if (left.length === 0) left = [...kinds];
    const kind = left.splice(random.between(0, left.length - 1), 1)[0]!;
    const afterMs = random.between(0, 2 * meanMs);
    const [from, to] = KINDS[kind].amount;
    plan.push({ kind, afterMs, amount: random.between(from, to) });
    atMs += afterMs;
  }
  return plan;
}

export function describeFault({ kind, afterMs, amount }: Fault): string {
  return `after ${afterMs} ms: ${kind}, ${amount} ${KINDS[kind].unit}`;
}
