import type { JournalRecord } from '../journal/record.ts';
import { carriedProperties, publishProperties } from '../mqtt/event-properties.ts';
import { encodePublish } from '../mqtt/publish-bytes.ts';
import type { Event, EventProps, QoS } from '../wire/event.ts';

/** Bytes of a PUBLISH that are the same for every receiver, but for the packet id. */
export interface SharedBytes {
  bytes: Buffer;
  idOffset: number;
}

/** Whoever published a message and waits for it to be durable. */
export interface Publisher {
  onDurable(message: Message): void;
  onLost(message: Message): void;
}

/** An event on its way through the broker: a journal record, what it was encoded to, and who waits for it. */
export class Message implements JournalRecord {
  readonly topic: string;
  payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  id: string | undefined;
  contentType: string | undefined;
  source: string | undefined;
  dup: boolean | undefined;
  props: EventProps | undefined;
  inbound: string | undefined;
  seq = 0;
  ts = '';
  arrivalMs = 0;
  publisher: Publisher | undefined;
  /** Of the PUBLISH that brought it, 0 at QoS 0. */
  packetId = 0;
  readonly #shared: (SharedBytes | undefined)[] = [undefined, undefined, undefined, undefined, undefined, undefined];

  constructor(event: Event) {
    this.topic = event.topic;
    this.payload = event.payload;
    this.qos = event.qos;
    this.retain = event.retain;
    this.id = event.id;
    this.contentType = event.contentType;
    this.source = event.source;
    this.dup = event.dup;
    this.props = event.props;
    this.inbound = event.inbound;
  }

  static restored(record: JournalRecord): Message {
    const message = new Message(record);
    message.seq = record.seq;
    message.ts = record.ts;
    message.arrivalMs = record.arrivalMs;
    return message;
  }

  /** For a message that stays in memory: lets go of all else that the socket read with it, of which its bytes are views. */
  keep(): void {
    const { payload } = this;
    if (payload.buffer.byteLength <= payload.length * 2) return;
    this.payload = Buffer.from(new Uint8Array(payload).buffer);
    this.#shared.fill(undefined);
  }

  /** Takes over the bytes that a PUBLISH came in, for receivers at the same QoS. */
  reuse(version: 3 | 4 | 5, wire: SharedBytes): void {
    this.#shared[(version === 5 ? 3 : 0) + this.qos] = wire;
  }

  /** Encoded once per protocol family and QoS for all receivers: RETAIN and DUP are 0. */
  shared(version: 3 | 4 | 5, qos: QoS): SharedBytes {
    const slot = (version === 5 ? 3 : 0) + qos;
    let shared = this.#shared[slot];
    if (!shared) {
      shared = this.encode(version, qos, {});
      this.#shared[slot] = shared;
    }
    return shared;
  }

  encode(
    version: 3 | 4 | 5,
    qos: QoS,
    options: {
      retain?: boolean;
      dup?: boolean;
      expirySeconds?: number;
      subscriptionIds?: number[];
      /** Topic alias; `known`: the receiver has heard the topic with it. */
      alias?: { number: number; known: boolean };
    },
  ): SharedBytes {
    const { payload } = this;
    const { retain = false, dup = false, alias } = options;
    if (version !== 5) return encodePublish({ version, topic: this.topic, payload, qos, retain, dup });
    const properties = publishProperties(this, options.expirySeconds, options.subscriptionIds);
    const topic = alias?.known ? '' : this.topic;
    if (alias) properties.topicAlias = alias.number;
    // The source stays here: of what came over MQTT it is the client id of somebody.
    const userProperties = carriedProperties({ id: this.id, props: this.props });
    return encodePublish({ version, topic, payload, qos, retain, dup, properties, userProperties });
  }

  /** Seconds left of its message expiry interval; undefined when it has none. 0 or less: it must not be delivered any more [MQTT-3.3.2-5]. */
  secondsLeft(clock: { nowMs(): number }): number | undefined {
    const expiry = this.props?.expiry;
    return expiry === undefined ? undefined : expiry - Math.floor((clock.nowMs() - this.arrivalMs) / 1000);
  }
}
