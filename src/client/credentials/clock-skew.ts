import type { CredentialRequest } from '../../bus/mqtt/options.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { formatDuration } from '../../core/units.ts';
import type { Owners } from './credential-source.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** What services allow a token to be off by; Google's and ClearBlade's documents say so. */
const TOLERANCE_MS = 10 * MINUTE_MS;
/** A clock that is off by less is right. */
const NOTICED_MS = 2_000;
/** RFC 3339. */
const TIME = /\b\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)/;

/**
 * How far the server's clock is from this machine's, as far as logins tell. Where the server says its time in a refusal, that; else after
 * refused logins every other one is dated otherwise, and what the server then takes is remembered.
 */
export class ClockSkew {
  readonly #owners: Owners;
  readonly #clock: Clock;
  /** Milliseconds that no setting of the clock changes. */
  readonly #elapsed: () => number;
  /** The server's clock at a moment of `elapsed`, when it is another one than this machine's. */
  #known: { serverMs: number; elapsedMs: number } | undefined;
  #toldMs = 0;

  constructor(owners: Owners, clock: Clock = systemClock, elapsed: () => number = () => performance.now()) {
    this.#owners = owners;
    this.#clock = clock;
    this.#elapsed = elapsed;
  }

  /** The server's clock less this machine's, milliseconds, to date the next login by. */
  assume({ refusals, refusal }: Pick<CredentialRequest, 'refusals' | 'refusal'>, lifeMs: number): number {
    const knownMs = this.#skewNow();
    if (refusals === 0) return knownMs;
    const told = this.#told(refusal?.remarks ?? []);
    if (told !== undefined) return told;
    // Most refusals have another reason: what is known is every other try, so that it is soon taken once that reason is gone.
    if (refusals % 2 === 0) return knownMs;
    const tries = skewsToTry(lifeMs).filter((skewMs) => Math.abs(skewMs - knownMs) >= NOTICED_MS);
    return tries[((refusals - 1) / 2) % tries.length]!;
  }

  /** A login that was dated so was taken. */
  accept(skewMs: number): void {
    if (Math.abs(skewMs - this.#toldMs) < NOTICED_MS) return;
    this.#toldMs = skewMs;
    this.#known = skewMs === 0 ? undefined : { serverMs: this.#clock.now() + skewMs, elapsedMs: this.#elapsed() };
    const off = `about ${formatDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'behind' : 'ahead of'}`;
    if (skewMs === 0) this.#owners.log('info', "this machine's clock and the server's agree again");
    else this.#owners.log('warn', `this machine's clock is ${off} the server's: logins are dated so that it takes them`, { skewMs });
    this.#owners.onClockSkew(skewMs);
  }

  /** A clock that is set right, or wrong, meanwhile changes the skew and not what is known of the server's. */
  #skewNow(): number {
    if (!this.#known) return 0;
    const { serverMs, elapsedMs } = this.#known;
    return inSeconds(serverMs + this.#elapsed() - elapsedMs - this.#clock.now());
  }

  #told(remarks: readonly string[]): number | undefined {
    const time = remarks.map((remark) => TIME.exec(remark)?.[0]).find((found) => found !== undefined);
    const serverMs = Date.parse(time ?? '');
    return Number.isNaN(serverMs) ? undefined : inSeconds(serverMs - this.#clock.now());
  }
}

function inSeconds(skewMs: number): number {
  return Math.abs(skewMs) < NOTICED_MS ? 0 : Math.round(skewMs / 1000) * 1000;
}

/** None, a service's tolerance to either side, then outwards in steps that leave no skew of up to a day untried, if the service has that tolerance. */
function skewsToTry(lifeMs: number): number[] {
  const stepMs = Math.max(lifeMs, 2 * TOLERANCE_MS);
  const skews = [0, -TOLERANCE_MS, TOLERANCE_MS];
  for (let skewMs = stepMs; skewMs <= DAY_MS; skewMs += stepMs) skews.push(-skewMs, skewMs);
  return skews;
}
