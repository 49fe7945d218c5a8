import type { QoS } from '../wire/event.ts';
import type { Connection } from './connection.ts';
import { Fifo } from './fifo.ts';
import type { PublishPacket, UserProperties } from './packet.ts';

/** One message that a client received. */
export class Message {
  readonly topic: string;
  /** A view of the bytes received: copy what is kept for long. */
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly dup: boolean;
  /** MQTT 5 only. */
  readonly properties: PublishPacket['properties'];
  /** MQTT 5 only, in the order sent. */
  readonly userProperties: UserProperties | undefined;
  /** @internal */
  readonly packetId: number;
  /** @internal */
  acked = false;
  readonly #incoming: Incoming;

  constructor(packet: PublishPacket, incoming: Incoming) {
    this.topic = packet.topic;
    this.payload = packet.payload as Buffer;
    this.qos = packet.qos;
    this.retain = packet.retain;
    this.dup = packet.dup;
    this.properties = packet.properties;
    this.userProperties = packet.userProperties;
    this.packetId = packet.messageId ?? 0;
    this.#incoming = incoming;
  }

  /**
   * Takes responsibility for the message. The acknowledgements leave in the order in which messages came [MQTT-4.6.0-2], so one that
   * is not acknowledged holds back those behind it. Nothing to do at QoS 0; twice is fine.
   */
  ack(): void {
    this.#incoming.ack(this);
  }
}

/** What a client received: batches for one reader, acknowledgements in order, QoS 2 once. */
export class Incoming implements AsyncIterable<Message[]> {
  readonly #connection: Connection;
  readonly #maxQueuedBytes: number;
  #queue: Message[] = [];
  #queuedBytes = 0;
  #wake: (() => void) | undefined;
  readonly #unacked = new Fifo<Message>();
  /** Packet identifiers of QoS 2 messages not yet released; true once PUBREC was sent. */
  readonly #qos2 = new Map<number, boolean>();
  #ended = false;
  #error: Error | undefined;

  constructor(connection: Connection, maxQueuedBytes: number) {
    this.#connection = connection;
    this.#maxQueuedBytes = maxQueuedBytes;
  }

  onPublish(packet: PublishPacket): void {
    const id = packet.messageId ?? 0;
    if (packet.qos === 2) {
      const received = this.#qos2.get(id);
      if (received) this.#connection.sendAck('pubrec', id);
      if (received !== undefined) return;
      this.#qos2.set(id, false);
    }
    const message = new Message(packet, this);
    if (packet.qos > 0) this.#unacked.push(message);
    this.#queue.push(message);
    this.#queuedBytes += message.payload.length + message.topic.length;
    if (this.#queuedBytes > this.#maxQueuedBytes) this.#connection.pauseReading();
    this.#wake?.();
  }

  onRelease(id: number): void {
    const known = this.#qos2.delete(id);
    if (known || this.#connection.version < 5) this.#connection.sendAck('pubcomp', id);
    else this.#connection.send({ cmd: 'pubcomp', messageId: id, reasonCode: 0x92 });
  }

  ack(message: Message): void {
    message.acked = true;
    while (this.#unacked.peek()?.acked) {
      const { qos, packetId } = this.#unacked.shift()!;
      this.#connection.sendAck(qos === 1 ? 'puback' : 'pubrec', packetId);
      if (qos === 2) this.#qos2.set(packetId, true);
    }
  }

  /** The reader gets what is queued, then the end, or `error`. */
  end(error: Error | undefined): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message[]> {
    for (;;) {
      if (this.#queue.length > 0) {
        const batch = this.#queue;
        this.#queue = [];
        this.#queuedBytes = 0;
        this.#connection.resumeReading();
        yield batch;
      } else if (this.#ended) {
        if (this.#error) throw this.#error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
