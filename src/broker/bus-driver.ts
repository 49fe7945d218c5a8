import type { Bus, Subscription as BusSubscription, Capabilities, PublishOptions, Receipt, SubscribeOptions } from '../bus/bus.ts';
import { HydrantError } from '../core/errors.ts';
import { createHexId } from '../core/id.ts';
import type { Journal } from '../journal/journal.ts';
import type { Event } from '../wire/event.ts';
import { assertFilter } from '../wire/topic.ts';
import type { Broker } from './broker.ts';
import { RoleSubscription } from './bus-subscription.ts';
import { Message } from './message.ts';
import type { Session } from './session.ts';
import { SharedDistributor } from './shared-distributor.ts';

const CAPABILITIES: Capabilities = Object.freeze({
  nakDelay: true,
  startAt: true,
  outOfOrderAck: true,
  group: true,
  handOver: true,
  properties: true,
  exactlyOnce: false,
});
const MAX_IN_FLIGHT = 1000;
/** Client ids of durable subscribers … */
const PREFIX = '$bus/';
/** … and whose they are: no account has this name, so no MQTT client can take them over. */
const ROLE = '$bus';
/** Before the name of a group that is no durable. */
const GROUP = '$group/';
const AS_PUBLISHED = { qos: 2, noLocal: false, retainAsPublished: true } as const;

/** What roles read: one place in the journal, and who shares its deliveries, which is one subscription where there is no group. */
interface Reading {
  session: Session;
  distributor: SharedDistributor;
  group: string | undefined;
}

/** The embedded engine behind the bus port: roles in this process are sessions of the broker like any client, without a network between. */
export function createEmbeddedBus(broker: Broker, journal: Journal): Bus {
  const open = new Set<RoleSubscription>();
  const readings = new Map<string, Reading>();
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
    const { durable, group, startAt = 'live', maxInFlight = MAX_IN_FLIGHT, signal } = options;
    const clientId = PREFIX + (durable ?? (group === undefined ? createHexId(8) : GROUP + group));
    const readFrom = startAt === 'live' || broker.sessions.get(clientId) ? broker.tailSeq + 1 : await broker.startOf(startAt);
    assertOpen();
    const before = readings.get(clientId);
    if (before) assertShared(before, filters, options);
    const reading = before ?? openReading(clientId, filters, readFrom, options);
    const subscription = new RoleSubscription(reading.distributor, maxInFlight, () => open.delete(subscription));
    open.add(subscription);
    signal?.addEventListener('abort', () => void subscription.close(), { once: true });
    reading.distributor.welcome(subscription);
    if (!reading.session.sink) reading.session.resume(reading.distributor);
    if (durable !== undefined) await broker.sessionState.whenDurable();
    return subscription;
  }

  function openReading(clientId: string, filters: string[], readFrom: number, { durable, group }: SubscribeOptions): Reading {
    let session = broker.sessions.get(clientId);
    if (!session) {
      const persistent = durable !== undefined;
      session = broker.sessions.create({ clientId, user: ROLE, readFrom, persistent, reliable: true, internal: true });
      session.expirySeconds = Number.POSITIVE_INFINITY;
      if (persistent) broker.sessionState.saveSession(session);
      for (const filter of filters) broker.subscribe(session, filter, AS_PUBLISHED, { begin: readFrom - 1 });
    } else {
      for (const name of [...session.subscriptions.keys()]) if (!filters.includes(name)) broker.unsubscribe(session, name);
      for (const filter of filters) if (!session.subscriptions.has(filter)) broker.subscribe(session, filter, AS_PUBLISHED);
    }
    const reader = session;
    const onIdle = (): void => {
      readings.delete(clientId);
      broker.disconnected(reader, true);
    };
    const distributor = new SharedDistributor(session, { host: broker, state: broker.sessionState, mayWait: () => true, onIdle });
    const reading = { session, distributor, group };
    readings.set(clientId, reading);
    return reading;
  }

  async function close(): Promise<void> {
    closed = true;
    await Promise.all([...open].map((subscription) => subscription.close()));
  }

  return { capabilities: CAPABILITIES, publish, subscribe, close, [Symbol.asyncDispose]: close };
}

/** @throws HYD_REFUSED when somebody else reads there, or reads other filters */
function assertShared({ session, group }: Reading, filters: string[], options: SubscribeOptions): void {
  if (group === undefined || group !== options.group)
    throw new HydrantError('HYD_REFUSED', `the durable ${options.durable} is already being read`, {
      fix: 'Close the other subscription, or use another name.',
    });
  const others = [...session.subscriptions.keys()];
  if (others.length !== new Set(filters).size || others.some((filter) => !filters.includes(filter)))
    throw new HydrantError('HYD_REFUSED', `the group ${group} reads ${others.join(', ')}, not ${filters.join(', ')}`, {
      fix: 'Subscribe to the same filters as the rest of the group, or as another group.',
    });
}
