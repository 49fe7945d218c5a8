import { openMqttBus } from '../bus/mqtt/mqtt-bus.ts';
import { until } from './deadline.ts';

/** A subscriber that writes down what comes. */
export interface Witness extends AsyncDisposable {
  /** Payloads in the order of arrival. */
  readonly texts: string[];
  readonly events: { text: string; topic: string; id: string | undefined; retain: boolean; expiry: number | undefined }[];
  /** Payloads in the order of their first arrival. */
  readonly firsts: string[];
  /** Resolves when so many different payloads have come. */
  seen(count: number, timeoutMs?: number): Promise<void>;
}

/** Subscribes to `filters`; stands when it resolves, and stays over any number of connections, however short each of them is. */
export async function startWitness(url: string, filters: string[], version: 4 | 5 = 5): Promise<Witness> {
  const bus = await openMqttBus({ urls: [url], version, neverGiveUp: true, maxBackoffMs: 1000 });
  const subscription = await bus.subscribe(filters, { durable: `witness-${Math.random().toString(36).slice(2)}`, retained: 'keep' });
  const texts: string[] = [];
  const events: Witness['events'] = [];
  const firsts = new Set<string>();
  const reading = (async () => {
    for await (const batch of subscription) {
      for (const { event, ack } of batch.map((delivery) => ({ event: delivery.event, ack: () => delivery.ack() }))) {
        const text = Buffer.from(event.payload).toString();
        texts.push(text);
        firsts.add(text);
        events.push({ text, topic: event.topic, id: event.id, retain: event.retain, expiry: event.props?.expiry });
        ack();
      }
    }
  })();
  return {
    texts,
    events,
    get firsts() {
      return [...firsts];
    },
    seen: (count, timeoutMs = 30_000) =>
      until(
        () => firsts.size >= count,
        () => `${count} events, ${firsts.size} came`,
        timeoutMs,
      ),
    async [Symbol.asyncDispose]() {
      await bus.close();
      await reading;
    },
  };
}
