/** How many events there were in the last second, and how many of them were shown. */
export interface SampleCount {
  seen: number;
  shown: number;
}

export interface Sampler extends Disposable {
  /** Counts one event; whether it is one of those to show. */
  take(): boolean;
}

/** Lets at most `perSecond` events through, a burst of as many at once, and reports once per second in which there were any. */
export function createSampler(perSecond: number, report: (count: SampleCount) => void): Sampler {
  let tokens = perSecond;
  let refilledMs = performance.now();
  let count: SampleCount = { seen: 0, shown: 0 };
  let quiet = true;
  const timer = setInterval(() => {
    if (count.seen > 0 || !quiet) report(count);
    quiet = count.seen === 0;
    count = { seen: 0, shown: 0 };
  }, 1000);
  return {
    take() {
      const nowMs = performance.now();
      tokens = Math.min(perSecond, tokens + ((nowMs - refilledMs) * perSecond) / 1000);
      refilledMs = nowMs;
      count.seen++;
      if (tokens < 1) return false;
      tokens--;
      count.shown++;
      return true;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
