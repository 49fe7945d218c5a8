import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { addressGroup } from '../core/address-group.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { AccessConfig } from './options.ts';

type AttemptOptions = AccessConfig['attempts'];

/** What is known of one address. */
interface Suspect {
  /** Failed logins by the name tried; past 16 names the rest is one. */
  failures: Map<string, number>;
  total: number;
  lastMs: number;
  waiting: number;
}

const MAX_ADDRESSES = 10_000;
const MAX_NAMES = 16;
const REST = '';
/** Behind a proxy on this machine everybody has one address. */
const LOOPBACK_MAX_MS = 1000;

/** Slows the logins of addresses that guess: good ones too, or guessing would only have to look at the time. Bounded in every direction. */
export class Attempts {
  options: AttemptOptions;
  readonly #clock: Clock;
  readonly #sleep: (ms: number) => Promise<unknown>;
  /** The one that failed longest ago first. */
  readonly #suspects = new Map<string, Suspect>();

  /** @param parts for tests: the time, and what a delay waits for */
  constructor(options: AttemptOptions, parts: { clock?: Clock; sleep?: (ms: number) => Promise<unknown> } = {}) {
    this.options = options;
    this.#clock = parts.clock ?? systemClock;
    this.#sleep = parts.sleep ?? ((ms) => sleep(ms, undefined, { ref: false }));
  }

  /** Resolves when a login of this address may be looked at; false: not at all, too many of its logins wait already. */
  async admit(address: string): Promise<boolean> {
    const suspect = this.#find(addressGroup(address));
    const delayMs = suspect ? this.#delay(suspect, isLoopbackAddress(address)) : 0;
    if (!suspect || delayMs === 0) return true;
    if (suspect.waiting >= this.options.waiting) return false;
    suspect.waiting++;
    await this.#sleep(delayMs);
    suspect.waiting--;
    return true;
  }

  failed(address: string, name: string): void {
    const key = addressGroup(address);
    const suspect = this.#find(key) ?? { failures: new Map<string, number>(), total: 0, lastMs: 0, waiting: 0 };
    const counted = suspect.failures.has(name) || suspect.failures.size < MAX_NAMES ? name : REST;
    suspect.failures.set(counted, (suspect.failures.get(counted) ?? 0) + 1);
    suspect.total++;
    suspect.lastMs = this.#clock.now();
    this.#suspects.delete(key);
    if (this.#suspects.size >= MAX_ADDRESSES) this.#suspects.delete(this.#suspects.keys().next().value!);
    this.#suspects.set(key, suspect);
  }

  /** A good login forgives what this address did wrong under that name, and nothing else: an account is no licence to guess. */
  succeeded(address: string, name: string): void {
    const key = addressGroup(address);
    const suspect = this.#suspects.get(key);
    if (!suspect) return;
    suspect.total -= suspect.failures.get(name) ?? 0;
    suspect.failures.delete(name);
    if (suspect.total === 0 && suspect.waiting === 0) this.#suspects.delete(key);
  }

  #find(key: string): Suspect | undefined {
    const suspect = this.#suspects.get(key);
    if (!suspect || suspect.waiting > 0 || this.#clock.now() - suspect.lastMs < this.options.forget) return suspect;
    this.#suspects.delete(key);
    return undefined;
  }

  #delay({ total }: Suspect, loopback: boolean): number {
    const { free, delay, maxDelay } = this.options;
    const longest = loopback ? Math.min(maxDelay, LOOPBACK_MAX_MS) : maxDelay;
    return total < free ? 0 : Math.min(delay * 2 ** Math.min(total - free, 30), longest);
  }
}

/** Whether an address is this machine's own. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}
