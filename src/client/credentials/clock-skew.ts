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
  #knownMs = 0;

  constructor(owners: Owners, clock: Clock = systemClock) {
    this.#owners = owners;
    this.#clock = clock;
  }

  /** The server's clock less this machine's, milliseconds, to date the next login by. */
  assume({ refusals, refusal }: Pick<CredentialRequest, 'refusals' | 'refusal'>, lifeMs: number): number {
    if (refusals === 0) return this.#knownMs;
    const told = this.#told(refusal?.remarks ?? []);
    if (told !== undefined) return told;
    // Most refusals have another reason: what is known is every other try, so that it is soon taken once that reason is gone.
    if (refusals % 2 === 0) return this.#knownMs;
    const tries = skewsToTry(lifeMs).filter((skewMs) => skewMs !== this.#knownMs);
    return tries[((refusals - 1) / 2) % tries.length]!;
  }

  /** A login that was dated so was taken. */
  accept(skewMs: number): void {
    if (skewMs === this.#knownMs) return;
    this.#knownMs = skewMs;
    const off = `about ${formatDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'behind' : 'ahead of'}`;
    if (skewMs === 0) this.#owners.log('info', "this machine's clock and the server's agree again");
    else this.#owners.log('warn', `this machine's clock is ${off} the server's: logins are dated so that it takes them`, { skewMs });
    this.#owners.onClockSkew(skewMs);
  }

  #told(remarks: readonly string[]): number | undefined {
    const time = remarks.map((remark) => TIME.exec(remark)?.[0]).find((found) => found !== undefined);
    const serverMs = Date.parse(time ?? '');
    if (Number.isNaN(serverMs)) return undefined;
    const skewMs = Math.round((serverMs - this.#clock.now()) / 1000) * 1000;
    return Math.abs(skewMs) < NOTICED_MS ? 0 : skewMs;
  }
}

/** None, a service's tolerance to either side, then outwards in steps that leave no skew of up to a day untried, if the service has that tolerance. */
function skewsToTry(lifeMs: number): number[] {
  const stepMs = Math.max(lifeMs, 2 * TOLERANCE_MS);
  const skews = [0, -TOLERANCE_MS, TOLERANCE_MS];
  for (let skewMs = stepMs; skewMs <= DAY_MS; skewMs += stepMs) skews.push(-skewMs, skewMs);
  return skews;
}
