import { HydrantError } from '../../core/errors.ts';
import { createHexId } from '../../core/id.ts';
import { silentLog } from '../../core/log.ts';
import { parseUrl } from '../../mqtt/dial.ts';
import type { Event } from '../../wire/event.ts';
import { assertFilter, assertTopic } from '../../wire/topic.ts';
import type { Capabilities, PublishOptions, Receipt, SubscribeOptions } from '../bus.ts';
import { toPublish } from './event-packet.ts';
import { sharingMissing } from './filter-set.ts';
import type { LinkContext } from './link-context.ts';
import type { MqttBus, MqttBusOptions, MqttSubscription } from './options.ts';
import { Session, type SessionShape } from './session.ts';
import { SessionShapes } from './session-shapes.ts';
import { SYSTEM_TIMING } from './steady-link.ts';

export type { MqttBus, MqttBusOptions } from './options.ts';

const CLOSE_TIMEOUT_MS = 5_000;

/**
 * A bus over any MQTT 3.1.1 or 5 server. Nothing is connected before it is needed.
 * @throws HYD_USAGE for a wrong URL or none
 */
export async function openMqttBus(options: MqttBusOptions): Promise<MqttBus> {
  if (options.urls.length === 0) throw new HydrantError('HYD_USAGE', 'an MQTT bus needs the URL of a broker');
  for (const url of options.urls) parseUrl(url);
  const { version = 5, log = silentLog } = options;
  const context: LinkContext = { options, log, timing: { ...SYSTEM_TIMING, ...options.timing }, dialect: { version } };
  const isOne = options.clientId !== undefined;
  const capabilities: Capabilities = Object.freeze({
    nakDelay: true,
    startAt: false,
    outOfOrderAck: false,
    group: version === 5 && !isOne,
    handOver: false,
    properties: version === 5,
    exactlyOnce: !isOne,
  });
  const name = createHexId(8);
  const shapes = new SessionShapes(options);
  /** By client id. */
  const sessions = new Map<string, Session>();
  let publisher: Session | undefined;
  let published = 0;
  let closing: Promise<void> | undefined;

  function assertOpen(): void {
    if (closing) throw new HydrantError('HYD_CLOSED', 'the bus is closed');
  }

  function open(shape: SessionShape): Session {
    const session: Session = new Session(shape, context, () => {
      sessions.delete(shape.clientId);
      if (publisher === session) publisher = undefined;
    });
    sessions.set(shape.clientId, session);
    return session;
  }

  function publish(event: Event, wanted: PublishOptions = {}): Promise<Receipt> {
    try {
      assertOpen();
      assertTopic(event.topic);
      if (wanted.signal?.aborted)
        throw new HydrantError('HYD_ABORTED', `publishing to ${event.topic} was stopped`, { cause: wanted.signal.reason });
      const seq = ++published;
      publisher ??= (options.clientId === undefined ? undefined : sessions.get(options.clientId)) ?? open(shapes.publishing());
      return publisher.publish(toPublish(event), { id: event.id ?? `${name}-${seq}`, seq }, wanted);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async function subscribe(filters: string[], wanted: SubscribeOptions = {}): Promise<MqttSubscription> {
    const { group, signal } = wanted;
    assertOpen();
    const stopped = (): HydrantError =>
      new HydrantError('HYD_ABORTED', `subscribing to ${filters.join(', ')} was stopped`, { cause: signal?.reason });
    if (signal?.aborted) throw stopped();
    assertSubscribable(filters, wanted);
    if (group !== undefined && context.dialect.version === 4) throw sharingMissing(group);
    const shape = shapes.reading(wanted);
    const there = sessions.get(shape.clientId);
    if (there && !shape.isShared)
      throw new HydrantError('HYD_REFUSED', `the durable ${shape.clientId} is already being read`, {
        fix: 'Close the other subscription, or use another name.',
      });
    const reading = (there ?? open(shape)).read(filters, wanted);
    const abort = (): void => void reading.close();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await reading.standing;
    } catch (error) {
      await reading.close();
      throw signal?.aborted ? stopped() : error;
    }
    return reading;
  }

  async function drain(): Promise<void> {
    await Promise.all([...sessions.values()].map((session) => session.close(options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS)));
  }

  function close(): Promise<void> {
    closing ??= drain();
    return closing;
  }

  return {
    capabilities,
    get links() {
      return [...sessions.values()].map((session) => session.status);
    },
    publish,
    subscribe,
    async renew() {
      await Promise.all([...sessions.values()].map((session) => session.renew()));
    },
    withdraw() {
      for (const session of sessions.values()) session.withdraw();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** @throws HYD_UNSUPPORTED, HYD_FILTER */
function assertSubscribable(filters: readonly string[], { startAt = 'live', group }: SubscribeOptions): void {
  if (startAt !== 'live') throw new HydrantError('HYD_UNSUPPORTED', 'startAt: an MQTT broker keeps no history');
  if (filters.length === 0) throw new HydrantError('HYD_FILTER', 'no filter to subscribe to');
  for (const filter of filters) assertFilter(filter);
  if (group !== undefined && !/^[^/+#\0]+$/.test(group))
    throw new HydrantError('HYD_FILTER', `the group ${JSON.stringify(group)} has /, + or #, or no name`);
}
