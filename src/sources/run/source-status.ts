/** How a source stands; counts are of this process. */
export interface SourceStatus {
  /** Whether the upstream is connected and read. */
  up: boolean;
  /** The upstream has ended for good: nothing more comes, what was read is still sent. */
  ended: boolean;
  published: number;
  /** Of these, the ones that did not match their schema. */
  mismatched: number;
  /** Input that was not taken as it came, by reason. */
  refused: Record<string, number>;
  gaps: number;
  /** Times that it broke off with an error. */
  errors: number;
  /** Why it broke off last. */
  lastError: string | undefined;
  /** Since the upstream gave a sign of life; undefined before the first. */
  silentMs: number | undefined;
  /** Since the last event; undefined before the first. */
  lastEventAgeMs: number | undefined;
  /** How old the last event was when it was read; undefined where that cannot be told. */
  lagMs: number | undefined;
}

/** Counts what passes a source. */
export class SourceCounts {
  /** Undefined while the upstream is not connected. */
  upSinceMs: number | undefined;
  ended = false;
  published = 0;
  mismatched = 0;
  gaps = 0;
  errors = 0;
  lastError: string | undefined;
  seenMs: number | undefined;
  eventMs: number | undefined;
  lagMs: number | undefined;
  readonly refused = new Map<string, number>();

  upForMs(nowMs: number): number {
    return this.upSinceMs === undefined ? 0 : nowMs - this.upSinceMs;
  }

  read(nowMs: number): SourceStatus {
    const { upSinceMs, ended, published, mismatched, gaps, errors, lastError, lagMs } = this;
    const since = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.max(0, nowMs - ms));
    const refused = Object.fromEntries(this.refused);
    return {
      up: upSinceMs !== undefined,
      ended,
      published,
      mismatched,
      refused,
      gaps,
      errors,
      lastError,
      silentMs: since(this.seenMs),
      lastEventAgeMs: since(this.eventMs),
      lagMs,
    };
  }
}
