import { Drain } from '../client/drain/drain.ts';
import type { DrainOptions } from '../client/drain/drain-options.ts';
import { type Rate, RateLimit } from '../client/drain/rate-limit.ts';
import { openOutbox } from '../client/outbox/open-outbox.ts';
import type { HydrantError } from '../core/errors.ts';
import { HandEngine } from './hand-engine.ts';
import { HandTiming, turns } from './hand-timing.ts';

export type HandDrainOptions = Partial<Pick<DrainOptions, 'maxInFlight' | 'maxAttempts'>> & { rate?: Rate };

/** A drain whose engine, time and chance are in the hands of the test. It is not started. */
export async function openHandDrain({ rate = {}, ...settings }: HandDrainOptions = {}) {
  const outbox = await openOutbox(':memory:');
  const engine = new HandEngine();
  const timing = new HandTiming();
  const logged: string[] = [];
  const acked: string[] = [];
  const expired: string[] = [];
  const quarantined: [text: string, code: string][] = [];
  const drain = new Drain({
    bus: engine,
    outbox,
    maxInFlight: 100,
    maxAttempts: 3,
    ...settings,
    rate: new RateLimit(rate, timing.now()),
    timing,
    log: (_level, message) => void logged.push(message),
    onAcked: (record) => void acked.push(textOf(record)),
    onExpired: (record) => void expired.push(textOf(record)),
    onQuarantined: (record, error: HydrantError) => void quarantined.push([textOf(record), error.code]),
  });
  outbox.onStored = (records) => drain.onStored(records);
  outbox.onForeign = (channels) => drain.onForeign(channels);
  outbox.onDropped = (records) => drain.onDropped(records);
  return {
    outbox,
    engine,
    timing,
    drain,
    logged,
    acked,
    expired,
    quarantined,
    depth: (channel: string): number => outbox.channels.get(channel)?.events ?? 0,
    /** Resolves when nothing more happens by itself. */
    async quiet(): Promise<void> {
      for (let i = 0; i < 3; i++) {
        await outbox.settled();
        await outbox.read('-', 0, { maxEvents: 1, maxBytes: 1 });
        await turns();
      }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      drain.stop();
      await engine.close();
      await outbox.close();
    },
  };
}

export function textOf({ payload }: { payload: Uint8Array }): string {
  return Buffer.from(payload).toString();
}
