import type { LinkChange } from '../bus/mqtt/options.ts';
import type { HydrantError } from '../core/errors.ts';
import type { DropReason } from './outbox/outbox.ts';

/** An event by its names. */
export interface EventName {
  id: string;
  channel: string;
  topic: string;
}

/** What a client tells of by itself. */
export interface ClientEvents {
  /** A connection stands, ended, failed or was refused; somebody else connected under the client id. */
  link: LinkChange;
  /** This process has the right to send from the outbox from now on. */
  leading: undefined;
  /** Left the outbox without an acknowledgement. */
  dropped: { reason: DropReason; events: readonly EventName[] };
  /** The bus refused it for good, or the server hung up on it again and again: it is kept for `hydrant outbox show|retry|drop`. */
  quarantined: EventName & { error: HydrantError };
  /** Something failed, is tried again, and holds up nothing. */
  warning: { error: HydrantError };
  /** The server's clock less this machine's, milliseconds. */
  'clock-skew': { skewMs: number };
}

type Listener<K extends keyof ClientEvents> = (what: ClientEvents[K]) => void;

/** Who listens to a client. What a listener throws is an uncaught exception, as with any event of Node, and stops nothing that is under way. */
export class Listeners {
  readonly #byEvent = new Map<keyof ClientEvents, Set<Listener<never>>>();

  /** @returns what ends it */
  on<K extends keyof ClientEvents>(event: K, listener: Listener<K>): () => void {
    const listeners = this.#byEvent.get(event) ?? new Set();
    this.#byEvent.set(event, listeners.add(listener as Listener<never>));
    return () => void listeners.delete(listener as Listener<never>);
  }

  tell<K extends keyof ClientEvents>(event: K, what: ClientEvents[K]): void {
    for (const listener of this.#byEvent.get(event) ?? []) {
      try {
        (listener as Listener<K>)(what);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
