import type { StateStore } from '../core/state-store.ts';
import type { Event, QoS } from '../wire/event.ts';
import { matchFilter } from '../wire/topic.ts';
import { Message } from './message.ts';

/** The retained message of each topic: a projection of the journal, kept in the state store with the sequence it was applied to. */
export class Retained {
  readonly #store: StateStore;
  readonly #byTopic = new Map<string, Message>();

  constructor(store: StateStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#byTopic.size;
  }

  async load(): Promise<void> {
    for (const row of await this.#store.all('SELECT * FROM retained')) {
      const event = JSON.parse(String(row.props)) as Partial<Event>;
      const message = new Message({
        ...event,
        topic: String(row.topic),
        payload: Buffer.from(row.payload as Uint8Array),
        qos: Number(row.qos) as QoS,
        retain: true,
      });
      message.seq = Number(row.seq);
      message.ts = String(row.ts);
      message.arrivalMs = Date.parse(message.ts);
      this.#byTopic.set(message.topic, message);
    }
  }

  /** Takes a message with RETAIN set: keeps it, or with an empty payload removes what is kept [MQTT-3.3.1-10]. */
  apply(message: Message): void {
    const { topic, payload, qos, seq, ts, id, contentType, source, props } = message;
    if (payload.length === 0) {
      if (this.#byTopic.delete(topic)) this.#store.write('DELETE FROM retained WHERE topic = ?', topic);
      return;
    }
    // The payload is a view of what the socket read: a copy lets that go.
    const kept = Message.restored({
      ...message,
      payload: Buffer.from(payload),
      topic,
      qos,
      retain: true,
      seq,
      ts,
      arrivalMs: message.arrivalMs,
      id,
      contentType,
      source,
      props,
    });
    this.#byTopic.set(topic, kept);
    this.#store.write(
      'INSERT OR REPLACE INTO retained VALUES (?, ?, ?, ?, ?, ?)',
      topic,
      seq,
      ts,
      qos,
      kept.payload,
      JSON.stringify({ id, contentType, source, props }),
    );
  }

  /** The one with this sequence. */
  find(seq: number): Message | undefined {
    for (const message of this.#byTopic.values()) if (message.seq === seq) return message;
    return undefined;
  }

  /** Those that match any of the filters. */
  list(filters: readonly string[]): Message[] {
    return [...this.#byTopic.values()].filter((message) => filters.some((filter) => matchFilter(filter, message.topic)));
  }

  /** Those that match; an expired one is removed instead. */
  match(filter: string, nowMs: number): Message[] {
    const found: Message[] = [];
    const exact = this.#byTopic.get(filter);
    for (const message of exact ? [exact] : this.#byTopic.values()) {
      if (!matchFilter(filter, message.topic)) continue;
      const left = message.secondsLeft(nowMs);
      if (left === undefined || left > 0) found.push(message);
      else {
        this.#byTopic.delete(message.topic);
        this.#store.write('DELETE FROM retained WHERE topic = ?', message.topic);
      }
    }
    return found;
  }
}
