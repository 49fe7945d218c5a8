import type {
  Bus,
  Delivery as BusDelivery,
  Subscription as BusSubscription,
  Capabilities,
  PublishOptions,
  Receipt,
  SubscribeOptions,
} from '../bus/bus.ts';
import { HydrantError } from '../core/errors.ts';
import { createHexId } from '../core/id.ts';
import type { Journal } from '../journal/journal.ts';
import type { Event } from '../wire/event.ts';
import { assertFilter } from '../wire/topic.ts';
import type { Broker } from './broker.ts';
import type { Delivery } from './delivery.ts';
import { Message } from './message.ts';
import type { Session } from './session.ts';
import type { Sink } from './session-host.ts';

const CAPABILITIES: Capabilities = Object.freeze({ nakDelay: true, startAt: true, outOfOrderAck: true, group: false, exactlyOnce: false });
const MAX_IN_FLIGHT = 1000;
/** Client ids of durable subscribers … */
const PREFIX = '$bus/';
/** … and whose they are: no account has this name, so no MQTT client can take them over. */
const ROLE = '$bus';

/** The embedded engine behind the bus port: roles in this process are sessions of the broker like any client, without a network between. */
export function createEmbeddedBus(broker: Broker, journal: Journal): Bus {
  const open = new Set<RoleSubscription>();
  let closed = false;

  function assertOpen(): void {
    if (closed) throw new HydrantError('HYD_CLOSED', 'the bus is closed');
  }

  function receipt(event: Event, seq: number): Receipt {
    return { id: event.id ?? `${journal.id}-${journal.epoch}-${seq}`, seq };
  }

  function publish(event: Event, options: PublishOptions = {}): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      assertOpen();
      broker.assertTakes(event);
      if (options.signal?.aborted)
        throw new HydrantError('HYD_ABORTED', `publishing to ${event.topic} was stopped`, { cause: options.signal.reason });
      const message = new Message(event);
      message.publisher = {
        onDurable: () => resolve(receipt(event, message.seq)),
        onLost: () => reject(new HydrantError('HYD_JOURNAL_FAILED', `the event on ${event.topic} could not be written`)),
      };
      options.signal?.addEventListener(
        'abort',
        () => reject(new HydrantError('HYD_ABORTED', `nobody waits for the event on ${event.topic} any more`)),
        { once: true },
      );
      broker.publish(message);
    });
  }

  async function subscribe(filters: string[], options: SubscribeOptions = {}): Promise<BusSubscription> {
    assertOpen();
    if (options.signal?.aborted)
      throw new HydrantError('HYD_ABORTED', `subscribing to ${filters.join(', ')} was stopped`, { cause: options.signal.reason });
    for (const filter of filters) assertFilter(filter);
    if (options.group !== undefined)
      throw new HydrantError('HYD_UNSUPPORTED', `group ${options.group}: this engine does not share subscriptions yet`);
    const clientId = PREFIX + (options.durable ?? createHexId(8));
    let session = broker.sessions.get(clientId);
    if (session?.sink)
      throw new HydrantError('HYD_REFUSED', `the durable ${options.durable} is already being read`, {
        fix: 'Close the other subscription, or use another name.',
      });
    const persistent = options.durable !== undefined;
    if (!session) {
      const { startAt = 'live' } = options;
      const readFrom = startAt === 'live' ? broker.tailSeq + 1 : await broker.startOf(startAt);
      session = broker.sessions.create({ clientId, user: ROLE, readFrom, persistent, reliable: true, internal: true });
      session.expirySeconds = Number.POSITIVE_INFINITY;
      if (persistent) broker.sessionState.saveSession(session);
      for (const filter of filters)
        broker.subscribe(session, filter, { qos: 2, noLocal: false, retainAsPublished: true }, { begin: readFrom - 1 });
    } else {
      for (const name of [...session.subscriptions.keys()]) if (!filters.includes(name)) broker.unsubscribe(session, name);
      for (const filter of filters)
        if (!session.subscriptions.has(filter)) broker.subscribe(session, filter, { qos: 2, noLocal: false, retainAsPublished: true });
    }
    if (persistent) await broker.sessionState.whenDurable();
    const subscription = new RoleSubscription(broker, session, options.maxInFlight ?? MAX_IN_FLIGHT, () => open.delete(subscription));
    open.add(subscription);
    options.signal?.addEventListener('abort', () => void subscription.close(), { once: true });
    session.resume(subscription);
    return subscription;
  }

  async function close(): Promise<void> {
    closed = true;
    await Promise.all([...open].map((subscription) => subscription.close()));
  }

  return { capabilities: CAPABILITIES, publish, subscribe, close, [Symbol.asyncDispose]: close };
}

/** One role's reading: batches of what was delivered since it last asked. */
class RoleSubscription implements BusSubscription, Sink {
  readonly window: number;
  readonly writable = true;
  readonly #broker: Broker;
  readonly #session: Session;
  readonly #onClose: () => void;
  readonly #delayed = new Set<NodeJS.Timeout>();
  #ready: BusDelivery[] = [];
  #wake: () => void = () => {};
  #closed = false;

  constructor(broker: Broker, session: Session, window: number, onClose: () => void) {
    this.#broker = broker;
    this.#session = session;
    this.window = window;
    this.#onClose = onClose;
  }

  deliver(delivery: Delivery): void {
    this.#push(delivery, delivery.message!, delivery.dup);
  }

  /** Not used: a role takes everything at least once. */
  deliverOnce(): void {}

  release(): void {}

  async *[Symbol.asyncIterator](): AsyncGenerator<BusDelivery[]> {
    try {
      while (!this.#closed) {
        if (this.#ready.length === 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          continue;
        }
        const batch = this.#ready;
        this.#ready = [];
        yield batch;
      }
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#delayed) clearTimeout(timer);
    this.#broker.disconnected(this.#session, true);
    this.#onClose();
    this.#wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #push(delivery: Delivery, event: Message, redelivered: boolean): void {
    let answered = false;
    const once = (act: () => void): void => {
      if (answered || this.#closed) return;
      answered = true;
      act();
    };
    this.#ready.push({
      event,
      redelivered,
      ack: () => once(() => this.#session.acknowledge(delivery.packetId)),
      nak: (delayMs = 0) => once(() => this.#again(delivery, event, delayMs)),
    });
    this.#wake();
  }

  #again(delivery: Delivery, event: Message, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#delayed.delete(timer);
      this.#push(delivery, event, true);
    }, delayMs);
    this.#delayed.add(timer);
  }
}
