import type { StateStore } from '../core/state-store.ts';
import type { Event, QoS } from '../wire/event.ts';
import { Message } from './message.ts';
import { TopicTree } from './topic-tree.ts';

/** The retained message of each topic: a projection of the journal, kept in the state store with the sequence it was applied to. */
export class Retained {
  readonly #store: StateStore;
  readonly #byTopic = new TopicTree<Message>();

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

  /** Takes a message with RETAIN set: keeps it, or with an empty payload removes what is kept [MQTT-3.3.1-6]. */
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

  has(topic: string): boolean {
    return this.#byTopic.get(topic) !== undefined;
  }

  /** Those with these sequences. */
  *find(seqs: ReadonlySet<number>): Generator<Message> {
    for (const message of this.#byTopic.values()) if (seqs.has(message.seq)) yield message;
  }

  /** Those that match; an expired one is removed instead. */
  match(filter: string, clock: { nowMs(): number }): Message[] {
    return [...this.#byTopic.match(filter)].filter((message) => {
      const left = message.secondsLeft(clock);
      if (left === undefined || left > 0) return true;
      this.#byTopic.delete(message.topic);
      this.#store.write('DELETE FROM retained WHERE topic = ?', message.topic);
      return false;
    });
  }
}
