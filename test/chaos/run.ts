import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/testing/random.ts';
import { Arena } from './arena.ts';
import { type ChaosBroker, createHydrantBroker, createMosquittoBroker } from './brokers.ts';
import { describeFault, drawPlan, type Fault, KINDS, type Part } from './plan.ts';
import { judge } from './verdict.ts';

export interface ChaosOptions {
  broker: 'hydrant' | 'mosquitto';
  random: Random;
  /** For how long something breaks. */
  seconds: number;
  /** Stored at least. */
  events: number;
  /** Between two faults, on average. */
  meanMs: number;
  say(line: string): void;
}

/** What a run found wrong: nothing, when all is well. */
export async function runChaos({ broker: name, random, seconds, events, meanMs, say }: ChaosOptions): Promise<string[]> {
  await using broker = await (name === 'hydrant' ? createHydrantBroker() : createMosquittoBroker());
  const plan = drawPlan(random, broker.kinds, seconds, meanMs);
  say(`${broker.name}, seed ${random.seed}:`);
  for (const fault of plan) say(`  ${describeFault(fault)}`);
  await broker.start();
  const { wrong, pids, arrived } = await suffer(broker, plan, { events, eventsPerSecond: Math.ceil((1.2 * events) / seconds) });
  const alive = pids.filter((pid) => existsSync(`/proc/${pid}`));
  if (alive.length > 0) wrong.push(`still running: ${alive.join(', ')}`);
  say(arrived);
  return wrong;
}

async function suffer(broker: ChaosBroker, plan: readonly Fault[], load: { events: number; eventsPerSecond: number }) {
  await using arena = await Arena.open(broker, load.eventsPerSecond);
  await performAll(arena, plan);
  await arena.storedSoMany(load.events);
  await arena.finish();
  const arrivals = await broker.arrivals(arena.stored);
  const { stored, pids, wrong } = arena;
  const different = new Set(arrivals.map(({ text }) => text)).size;
  const arrived = `${stored.size} stored in ${pids.length} lives, ${arrivals.length} arrived, ${arrivals.length - different} of them again`;
  const found = [...wrong, ...judge(stored, arrivals)];
  if (found.length > 0) found.push(`the client said last:\n${arena.log}`);
  return { wrong: found, pids, arrived };
}

/** Each at its time, but those of the same part one after the other. Resolves when everything is whole again. */
async function performAll(arena: Arena, plan: readonly Fault[]): Promise<void> {
  const busy = new Map<Part, Promise<unknown>>();
  for (const fault of plan) {
    await sleep(fault.afterMs);
    const { parts } = KINDS[fault.kind];
    const done = Promise.all(parts.map((part) => busy.get(part))).then(() => arena.perform(fault));
    for (const part of parts) busy.set(part, done);
  }
  await Promise.all(busy.values());
}
