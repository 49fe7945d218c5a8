import { HydrantError } from '../../core/errors.ts';
import { createHexId } from '../../core/id.ts';
import { silentLog } from '../../core/log.ts';
import { parseUrl } from '../../mqtt/dial.ts';
import type { Event } from '../../wire/event.ts';
import { assertFilter, assertTopic } from '../../wire/topic.ts';
import type { Capabilities, PublishOptions, Receipt, SubscribeOptions } from '../bus.ts';
import { toPublish } from './event-packet.ts';
import { FilterSet, type KnownFilters, sharingMissing } from './filter-set.ts';
import type { LinkContext } from './link-context.ts';
import type { MqttBus, MqttBusOptions, MqttSubscription } from './options.ts';
import { Publisher } from './publisher.ts';
import { SYSTEM_TIMING } from './steady-link.ts';
import { Reading } from './subscription.ts';

export type { MqttBus, MqttBusOptions } from './options.ts';

const CLOSE_TIMEOUT_MS = 5_000;

/**
 * A bus over any MQTT 3.1.1 or 5 server. Nothing is connected before it is needed.
 * @throws HYD_USAGE for a wrong URL or none
 */
export async function openMqttBus(options: MqttBusOptions): Promise<MqttBus> {
  if (options.urls.length === 0) throw new HydrantError('HYD_USAGE', 'an MQTT bus needs the URL of a broker');
  for (const url of options.urls) parseUrl(url);
  const { version = 5, clientIdPrefix = 'hydrant-', log = silentLog } = options;
  const context: LinkContext = { options, log, timing: { ...SYSTEM_TIMING, ...options.timing }, dialect: { version } };
  const capabilities: Capabilities = Object.freeze({
    nakDelay: true,
    startAt: false,
    outOfOrderAck: false,
    group: version === 5,
    handOver: false,
    properties: version === 5,
    exactlyOnce: true,
  });
  const name = createHexId(8);
  const readings = new Map<string, Reading>();
  /** Of durables. */
  const known = new Map<string, KnownFilters>();
  let publisher: Publisher | undefined;
  let published = 0;
  let closing: Promise<void> | undefined;

  function assertOpen(): void {
    if (closing) throw new HydrantError('HYD_CLOSED', 'the bus is closed');
  }

  async function publish(event: Event, { signal }: PublishOptions = {}): Promise<Receipt> {
    assertOpen();
    assertTopic(event.topic);
    if (signal?.aborted) throw new HydrantError('HYD_ABORTED', `publishing to ${event.topic} was stopped`, { cause: signal.reason });
    const seq = ++published;
    if (!publisher) {
      const made: Publisher = new Publisher(clientIdPrefix + createHexId(6), context, () => {
        if (publisher === made) publisher = undefined;
      });
      publisher = made;
    }
    await publisher.publish(toPublish(event), signal);
    return { id: event.id ?? `${name}-${seq}`, seq };
  }

  async function subscribe(filters: string[], wanted: SubscribeOptions = {}): Promise<MqttSubscription> {
    const { durable, group, signal } = wanted;
    assertOpen();
    const stopped = (): HydrantError =>
      new HydrantError('HYD_ABORTED', `subscribing to ${filters.join(', ')} was stopped`, { cause: signal?.reason });
    if (signal?.aborted) throw stopped();
    assertSubscribable(filters, wanted);
    if (group !== undefined && context.dialect.version === 4) throw sharingMissing(group);
    const clientId = durable ?? clientIdPrefix + createHexId(6);
    if (readings.has(clientId))
      throw new HydrantError('HYD_REFUSED', `the durable ${durable} is already being read`, {
        fix: 'Close the other subscription, or use another name.',
      });
    const filtersThere = known.get(clientId) ?? { filters: [], isAgeKnown: false };
    if (durable !== undefined) known.set(clientId, filtersThere);
    const { retained = 'skip' } = wanted;
    const inbox = durable === undefined ? undefined : wanted.inbox;
    const set = new FilterSet(filters, { group, retained, inbox, known: filtersThere }, context);
    const reading = new Reading(clientId, set, wanted, context, () => readings.delete(clientId));
    readings.set(clientId, reading);
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
    await Promise.all([
      ...[...readings.values()].map((reading) => reading.close()),
      publisher?.close(options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS),
    ]);
  }

  function close(): Promise<void> {
    closing ??= drain();
    return closing;
  }

  return {
    capabilities,
    get links() {
      return [...(publisher ? [publisher.status] : []), ...[...readings.values()].map((reading) => reading.status)];
    },
    publish,
    subscribe,
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
