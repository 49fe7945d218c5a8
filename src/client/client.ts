import type { Delivery } from '../bus/bus.ts';
import type { StoredEvent } from '../wire/event.ts';
import type { DataChannel, DataOptions } from './channels/data.ts';
import type { StateChannel, StateOptions } from './channels/state.ts';
import type { Command, Config, ReceiveOptions } from './inlets.ts';
import type { ClientEvents } from './listeners.ts';
import type { ClientMetrics } from './metrics.ts';
import type { Publication, PublishRequest } from './options.ts';

/**
 * A client that loses nothing: what is published is on disk before it is sent, and leaves the disk when the bus has acknowledged it. It connects
 * and connects again by itself; publishing is the same whether there is a connection or not.
 */
export interface Client extends AsyncDisposable {
  readonly clientId: string;
  /** Whether a connection stands. On another engine (`bus`) always true. */
  readonly connected: boolean;
  /**
   * Stores an event and sends it in its channel's turn. Never throws: what is wrong rejects both promises of the publication, before anything is
   * stored. The payload must not be changed until `stored` has resolved.
   * @throws by `stored` and `acked`: HYD_TOPIC, HYD_TOO_LARGE, HYD_UNSUPPORTED, HYD_OUTBOX_FULL, HYD_OUTBOX, HYD_CLOSED; by `acked` also HYD_DROPPED and HYD_QUARANTINED
   */
  publish(request: PublishRequest): Publication;
  /**
   * A channel of the profile: `state`, `data`, or `data/sub`; the same object each time.
   * @throws HYD_USAGE for a channel that the profile does not have; HYD_UNSUPPORTED for a mode of `state` that its service cannot make sense of
   */
  channel(name: 'state', options?: StateOptions): StateChannel;
  channel(name: string, options?: DataOptions): DataChannel;
  /**
   * What comes for these filters, one delivery after the other, over any number of connections. A delivery is acknowledged when the loop asks for
   * the next one; what is not acknowledged comes again. The iterator ends when the client closes; leaving the loop ends the
   * subscription.
   * @throws HYD_USAGE for a wrong option; by the iterator: HYD_FILTER, HYD_REFUSED
   */
  subscribe(filters: string | readonly string[], options?: ReceiveOptions): AsyncGenerator<Delivery>;
  /**
   * Configurations from the service. The last one is kept in the outbox and comes first after a restart (`stored`), so a device that starts
   * without a connection has it at once. One with the same version or the same content as the one before is not given again. One that the disk
   * does not take now is given all the same, told by the event `warning`, and tried again.
   * @throws by the iterator: HYD_UNSUPPORTED when the profile has none
   */
  config(): AsyncGenerator<Config>;
  /**
   * Commands from the service, each acknowledged when the loop asks for the next one. Where the profile has sessions the server keeps those that come while
   * this client is away; so go on reading, for what is not read holds back the acknowledgements of all subscriptions.
   * @throws by the iterator: HYD_UNSUPPORTED when the profile has none
   */
  commands(): AsyncGenerator<Command>;
  /** What the service reports of errors of this device. @throws by the iterator: HYD_UNSUPPORTED when the profile has none */
  errors(): AsyncGenerator<StoredEvent>;
  /**
   * Resolves when everything published is acknowledged and its removal is on disk, or with what is left after `deadlineMs` or when the client
   * is closed; never rejects because of the time. Quarantined events are not waited for.
   * @param options.deadlineMs milliseconds, default: as long as it takes
   * @throws HYD_USAGE for a wrong option, HYD_OUTBOX when the removal cannot be written
   */
  flush(options?: { deadlineMs?: number }): Promise<{ remaining: number }>;
  /** @returns what ends it */
  on<K extends keyof ClientEvents>(event: K, listener: (what: ClientEvents[K]) => void): () => void;
  metrics(): ClientMetrics;
  /**
   * Takes no more, waits for acknowledgements up to `deadlineMs` (default 5 000), then ends. The last fifth of it, one second at most, sends
   * nothing more and waits for what is out, which the next process would send again. What is left stays in the outbox, and the next client
   * on the same folder sends it; its `acked` rejects with HYD_CLOSED. A disk that does not answer has until the deadline, two seconds at least; what
   * was on its way to it then rejects with HYD_OUTBOX. Twice is fine.
   * @param options.flush false: sends nothing more and waits only for what is out; for who leaves the rest to another process. Default true
   */
  close(options?: { deadlineMs?: number; flush?: boolean }): Promise<{ remaining: number }>;
}
