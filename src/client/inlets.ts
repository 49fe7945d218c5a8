import type { Bus, Delivery, SubscribeOptions } from '../bus/bus.ts';
import { SYSTEM_TIMING } from '../bus/mqtt/steady-link.ts';
import { errorText, HydrantError } from '../core/errors.ts';
import type { StoredEvent } from '../wire/event.ts';
import { decodeNote, encodeNote, type KeptConfig } from './config-note.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { Profile } from './profiles/profile.ts';

const CONFIG_NOTE = 'config';
/** After a note that could not be written. */
const KEEP_AGAIN_MS = 1_000;

export interface ReceiveOptions {
  /** What the server retains when the subscription is made. Default `keep`. */
  retained?: 'keep' | 'skip';
  /** Deliveries out and not acknowledged, at most. Default 1 000. */
  maxInFlight?: number;
  /**
   * The server keeps what comes while this client is away, and also after the loop was left, if the profile has such sessions: what nobody reads
   * then holds back the acknowledgements of all. Default false.
   */
  durable?: boolean;
  signal?: AbortSignal;
}

/** A configuration from the service. */
export interface Config {
  payload: Uint8Array;
  /** User property `version`, where the service sends one. */
  version: string | undefined;
  /** The last one of an earlier run, before the service was heard. */
  stored: boolean;
}

/** A command from the service. */
export interface Command {
  /** Levels of the topic below the commands' own, `''` when there are none. */
  name: string;
  payload: Uint8Array;
  event: StoredEvent;
  /** It came before and was not acknowledged: it may have been carried out. */
  redelivered: boolean;
}

export interface InletsHost {
  bus: Bus;
  outbox: Pick<Outbox, 'getNote' | 'setNote'>;
  profile: Profile;
  clientId: string;
  /** Resolves when this process has the right to connect. */
  leading: Promise<void>;
  signal: AbortSignal;
  warn(error: HydrantError): void;
}

/** What comes from the bus, as iterators that last over any number of connections and end when the client closes. */
export class Inlets {
  readonly #host: InletsHost;
  /** The configuration that is to be kept. */
  #newest: KeptConfig | undefined;

  constructor(host: InletsHost) {
    this.#host = host;
  }

  async *deliveries(filters: readonly string[], options: ReceiveOptions = {}): AsyncGenerator<Delivery> {
    const { bus, profile, clientId, leading, signal: closing } = this.#host;
    const { retained = 'keep', maxInFlight, durable = false } = options;
    const signal = options.signal ? AbortSignal.any([closing, options.signal]) : closing;
    await Promise.race([leading, aborted(signal)]);
    if (signal.aborted) return;
    const wanted: SubscribeOptions = { retained, maxInFlight, signal };
    if (durable && profile.persistentSession) wanted.durable = clientId;
    const subscription = await bus.subscribe([...filters], wanted).catch((error: unknown) => {
      if (signal.aborted) return undefined;
      throw error;
    });
    if (!subscription) return;
    const end = (): void => void subscription.close();
    signal.addEventListener('abort', end, { once: true });
    try {
      for await (const batch of subscription) {
        for (const delivery of batch) {
          yield delivery;
          delivery.ack();
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', end);
      await subscription.close();
    }
  }

  async *config(): AsyncGenerator<Config> {
    const { profile, outbox } = this.#host;
    const filter = needed(profile, profile.configFilter, 'configuration');
    const note = await outbox.getNote(CONFIG_NOTE);
    let last: KeptConfig | undefined = note && decodeNote(note);
    if (last) yield { ...last, stored: true };
    for await (const { event } of this.deliveries([filter])) {
      const version = event.props?.user?.find(([name]) => name === 'version')?.[1];
      const next: KeptConfig = { payload: event.payload, version };
      if (last && isSame(last, next)) continue;
      await this.#keep(next);
      last = next;
      yield { ...next, stored: false };
    }
  }

  /** Resolves when it is on disk, or cannot be now: then it is tried again for as long as it is the newest. */
  async #keep(config: KeptConfig): Promise<void> {
    const { outbox, warn, signal } = this.#host;
    this.#newest = config;
    try {
      await outbox.setNote(CONFIG_NOTE, encodeNote(config));
    } catch (cause) {
      if (signal.aborted) return;
      warn(new HydrantError('HYD_OUTBOX', `the configuration is not kept yet, and is tried again: ${errorText(cause)}`, { cause }));
      void this.#keepLater(config);
    }
  }

  async #keepLater(config: KeptConfig): Promise<void> {
    const { outbox, signal } = this.#host;
    for (;;) {
      await SYSTEM_TIMING.sleep(KEEP_AGAIN_MS, signal);
      if (signal.aborted || config !== this.#newest) return;
      const isKept = await outbox.setNote(CONFIG_NOTE, encodeNote(config)).then(
        () => true,
        () => false,
      );
      if (isKept) return;
    }
  }

  async *commands(): AsyncGenerator<Command> {
    const { profile } = this.#host;
    const filter = needed(profile, profile.commandFilter, 'commands');
    const levels = filter.replace(/\/?#$/, '').length;
    for await (const { event, redelivered } of this.deliveries([filter], { retained: 'skip', durable: true }))
      yield { name: event.topic.slice(levels + 1), payload: event.payload, event, redelivered };
  }

  async *errors(): AsyncGenerator<StoredEvent> {
    const { profile } = this.#host;
    const filter = needed(profile, profile.errorFilter, 'error reports');
    for await (const { event } of this.deliveries([filter], { retained: 'skip' })) yield event;
  }
}

function needed(profile: Profile, filter: string | undefined, what: string): string {
  if (filter === undefined)
    throw new HydrantError('HYD_UNSUPPORTED', `the profile ${profile.name}, as it is given, has no ${what}`, {
      fix: 'Subscribe to a topic of your own with `subscribe()`, or give the profile what it needs for this.',
    });
  return filter;
}

function isSame(a: KeptConfig, b: KeptConfig): boolean {
  return (a.version !== undefined && a.version === b.version) || Buffer.compare(a.payload, b.payload) === 0;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
