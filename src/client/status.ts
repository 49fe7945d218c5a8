import type { Bus } from '../bus/bus.ts';
import type { Timing } from '../bus/mqtt/options.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { packageVersion } from '../core/version.ts';
import { type ClientStatus, statusTopic } from '../wire/client-status.ts';
import type { Event } from '../wire/event.ts';
import type { ClientMetrics } from './metrics.ts';

const INTERVAL_MS = 30_000;
/** After a change of substance, so that many make one event. */
const SOON_MS = 1_000;
const MAX_DOUBLINGS = 10;

export interface StatusOptions {
  bus: Pick<Bus, 'publish'>;
  clientId: string;
  topic?: string;
  intervalMs?: number;
  timing: Timing;
  log: Log;
  metrics(): ClientMetrics;
}

/** Tells how the outbox stands, by a retained event of QoS 1 beside the outbox; nothing while there is no connection. */
export class StatusReporter {
  readonly #options: StatusOptions;
  readonly #topic: string;
  readonly #since: string;
  readonly #stop = new AbortController();
  #isOut = false;
  #isUp = false;
  #told = '';
  /** Counts waits: a newer one takes the place of the one before. */
  #wait = 0;
  #isSoon = false;
  /** How often in a row the server has hung up while it was out: perhaps over it, so it is told ever more seldom. */
  #cuts = 0;

  constructor(options: StatusOptions) {
    this.#options = options;
    this.#topic = options.topic ?? statusTopic(options.clientId);
    this.#since = new Date(options.timing.now()).toISOString();
  }

  setLink(isUp: boolean): void {
    this.#isUp = isUp;
    if (isUp && this.#cuts === 0) this.#tell();
  }

  /** Something may have changed that an operator wants to know now. */
  look(): void {
    if (this.#isSoon || this.#cuts > 0 || this.#substance(this.#options.metrics()) === this.#told) return;
    this.#isSoon = true;
    this.#sleep(SOON_MS);
  }

  stop(): void {
    this.#stop.abort();
  }

  /** It is not sent again on the next connection: the events have that to themselves. */
  #onCut(): boolean {
    this.#cuts++;
    this.#sleep(this.#intervalMs());
    return true;
  }

  #intervalMs(): number {
    return (this.#options.intervalMs ?? INTERVAL_MS) * 2 ** Math.min(this.#cuts, MAX_DOUBLINGS);
  }

  #substance({ dropped, quarantined, depth }: ClientMetrics): string {
    return JSON.stringify([lost(dropped), quarantined, depth === 0 ? 0 : Math.floor(Math.log10(depth))]);
  }

  #sleep(ms: number): void {
    const wait = ++this.#wait;
    const { signal } = this.#stop;
    void this.#options.timing.sleep(ms, signal).then(() => {
      if (wait === this.#wait && !signal.aborted) this.#tell();
    });
  }

  #tell(): void {
    const { bus, timing, log, clientId } = this.#options;
    this.#isSoon = false;
    this.#sleep(this.#intervalMs());
    if (!this.#isUp || this.#isOut) return;
    const metrics = this.#options.metrics();
    this.#told = this.#substance(metrics);
    const { depth, bytes, oldestAgeMs, quarantined } = metrics;
    const status: ClientStatus = {
      client: clientId,
      version: packageVersion(),
      depth,
      bytes,
      oldestAgeMs,
      dropped: lost(metrics.dropped),
      quarantined,
      since: this.#since,
    };
    this.#isOut = true;
    const event: Event = {
      topic: this.#topic,
      payload: Buffer.from(JSON.stringify(status)),
      qos: 1,
      retain: true,
      contentType: 'application/json',
      props: { time: new Date(timing.now()).toISOString() },
    };
    bus
      .publish(event, { onCut: () => this.#onCut() })
      .then(() => {
        this.#cuts = 0;
      })
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted) log('debug', 'the status was not taken', { topic: this.#topic, error: errorText(error) });
      })
      .finally(() => {
        this.#isOut = false;
      });
  }
}

/** Events that nobody will see; what a newer one has replaced is none. */
function lost({ replaced, ...others }: ClientMetrics['dropped']): number {
  return Object.values(others).reduce((sum, count) => sum + count, 0);
}
