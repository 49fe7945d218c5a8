import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '../bus/bus.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { createRandom, nextDemoEvent } from './demo-events.ts';

export interface Demo {
  close(): Promise<void>;
}

const MEAN_PAUSE_MS = 300;

/** Publishes believable events on the bus, a few per second, at irregular moments, until closed. */
export function startDemo(bus: Bus, options: { seed: number; log: Log }): Demo {
  const aborter = new AbortController();
  const random = createRandom(options.seed);
  const run = async (): Promise<void> => {
    while (!aborter.signal.aborted) {
      try {
        await bus.publish(nextDemoEvent(random, Date.now()), { signal: aborter.signal });
      } catch (error) {
        if (!aborter.signal.aborted) options.log('warn', 'a demo event could not be published', { error: errorText(error) });
      }
      await sleep(MEAN_PAUSE_MS * 2 * random(), undefined, { signal: aborter.signal }).catch(() => {});
    }
  };
  const done = run();
  return {
    async close() {
      aborter.abort();
      await done;
    },
  };
}
