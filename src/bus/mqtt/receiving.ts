import { createHexId } from '../../core/id.ts';
import type { Connection } from '../../mqtt/connection.ts';
import type { Receiver } from '../../mqtt/ends.ts';
import { Fifo } from '../../mqtt/fifo.ts';
import type { ConnackPacket, PublishPacket } from '../../mqtt/packet.ts';
import type { StoredEvent } from '../../wire/event.ts';
import type { Inbox } from '../bus.ts';
import { Arrival, type Taker } from './arrival.ts';
import { toEvent } from './event-packet.ts';

const PACKET_IDENTIFIER_NOT_FOUND = 0x92;
const NOBODY: Taker = { take() {}, onAck() {}, onNak() {} };

/** What is acknowledged in its turn: an arrival, or the repeat of a message of QoS 2 that was received before. */
type Acknowledged = Pick<Arrival, 'done' | 'packetId'> & { readonly event: Pick<StoredEvent, 'qos'> };

/** What has become of the messages that are let through. */
export interface ReceivingHost {
  readonly inbox: Inbox | undefined;
  /** A connection stands. @param session `lost`: the server had forgotten one that had been; what is taken afterwards comes after the gap */
  onSession(session: 'new' | 'present' | 'lost'): void;
  /** Who is to have it. What nobody wants is acknowledged. */
  takersOf(packet: PublishPacket): readonly Taker[];
  /** What was to be made durable could not be. */
  onFailure(error: unknown): void;
}

/**
 * The receiving half of a session over any number of connections: acknowledgements leave in the order in which messages came
 * [MQTT-4.6.0-2], what the server repeats while it is out is not taken twice, QoS 2 is exactly once (MQTT 5 §4.3.3).
 */
export class Receiving implements Receiver {
  readonly #host: ReceivingHost;
  #connection: Connection | undefined;
  #turn = 0;
  #holds = 0;
  #isFlushing = false;
  #incarnation: string | undefined;
  /** Came on this connection and is not acknowledged, in order. */
  readonly #order = new Fifo<Acknowledged>();
  /** Not acknowledged to the server, from this connection or an earlier one of the session. */
  readonly #out = new Map<number, Arrival>();
  /** PUBREC has left and PUBREL has not come. */
  readonly #received = new Set<number>();
  /** PUBREL has come and the inbox is forgetting. */
  readonly #releasing = new Map<number, Promise<void>>();
  #beginning: Promise<void> = Promise.resolve();

  constructor(host: ReceivingHost) {
    this.#host = host;
    this.#incarnation = host.inbox?.incarnation;
  }

  /** Resolves when the session that CONNACK told of has been noted durably. */
  get begun(): Promise<void> {
    return this.#beginning;
  }

  onOpen(connection: Connection, { sessionPresent }: ConnackPacket): void {
    this.#connection = connection;
    this.#turn++;
    this.#order.clear();
    if (this.#holds > 0) connection.pauseReading();
    this.#host.onSession(sessionPresent ? 'present' : this.#incarnation === undefined ? 'new' : 'lost');
    if (sessionPresent && this.#incarnation !== undefined) return;
    if (!sessionPresent) {
      this.#out.clear();
      this.#received.clear();
    }
    this.#incarnation = createHexId(8);
    if (this.#host.inbox) this.#beginning = this.#while(this.#host.inbox.begin(this.#incarnation));
  }

  onPublish(packet: PublishPacket): void {
    const { qos, messageId = 0, dup } = packet;
    if (qos > 0) {
      const out = this.#out.get(messageId);
      if (out && dup && isSame(out.event, packet)) return this.#onRepeat(out);
      if (this.#isReceived(messageId)) {
        if (qos === 2 && dup) return this.#answer({ packetId: messageId, event: { qos: 2 }, done: true });
        // The server has let go of the earlier one, so it will not release it; yet a repeat of this one must not be taken for it.
        void this.#while(this.#release(messageId).then(() => this.#take(packet)));
        return;
      }
    }
    this.#take(packet);
  }

  onRelease(packetId: number): void {
    const connection = this.#connection!;
    if (this.#isReceived(packetId)) {
      this.#release(packetId).then(
        () => connection.sendAck('pubcomp', packetId),
        (error) => this.#host.onFailure(error),
      );
    } else if (connection.version < 5) connection.sendAck('pubcomp', packetId);
    else connection.send({ cmd: 'pubcomp', messageId: packetId, reasonCode: PACKET_IDENTIFIER_NOT_FOUND });
  }

  onEnd(): void {
    this.#connection = undefined;
    this.#order.clear();
  }

  /** The reader has taken responsibility. The acknowledgement leaves after those before it; when there is no connection, with the repeat. */
  acknowledge(arrival: Arrival): void {
    arrival.done = true;
    const { whole } = arrival;
    if (whole) {
      if (whole.parts!.every(({ done }) => done)) this.acknowledge(whole);
      return;
    }
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => this.flush());
  }

  /** What a taker has and has not acknowledged, in order. */
  heldBy(taker: Taker): Arrival[] {
    const parts = [...this.#out.values()].flatMap((arrival) => arrival.parts ?? [arrival]);
    return parts.filter((part) => part.taker === taker && !part.done);
  }

  /** Another has a part from now on, as one that was delivered before. */
  handOver(part: Arrival, taker: Taker): void {
    const whole = part.whole ?? part;
    const next = new Arrival(part.event, part.packetId, part.turn, taker, whole);
    next.redelivered = true;
    whole.parts = [...(whole.parts ?? []).filter((each) => each !== part), next];
    taker.take(next);
  }

  /** Sends the acknowledgements that may leave now, not only after the call under way. */
  flush(): void {
    this.#isFlushing = false;
    const connection = this.#connection;
    if (!connection?.open) return;
    let run: 'puback' | 'pubrec' = 'puback';
    let ids: number[] = [];
    while (this.#order.peek()?.done) {
      const entry = this.#order.shift()!;
      const { packetId, event } = entry;
      if (this.#out.get(packetId) === entry) this.#out.delete(packetId);
      if (event.qos === 2) this.#received.add(packetId);
      const command = event.qos === 1 ? 'puback' : 'pubrec';
      if (command !== run) {
        connection.sendAcks(run, ids);
        run = command;
        ids = [];
      }
      ids.push(packetId);
    }
    connection.sendAcks(run, ids);
  }

  /** Stops reading until as many `resume()` came. */
  pause(): void {
    if (++this.#holds === 1) this.#connection?.pauseReading();
  }

  resume(): void {
    if (--this.#holds === 0) this.#connection?.resumeReading();
  }

  #take(packet: PublishPacket): void {
    const { qos, messageId = 0 } = packet;
    const event = toEvent(packet, timestamp(), textMs);
    if (qos === 2) event.inbound = `${this.#incarnation}:${messageId}`;
    const takers = this.#host.takersOf(packet);
    const arrival = new Arrival(event, messageId, this.#turn, takers[0] ?? NOBODY);
    arrival.done = takers.length === 0;
    if (qos > 0) {
      this.#out.set(messageId, arrival);
      this.#answer(arrival);
    }
    if (takers.length > 1) arrival.parts = takers.map((taker) => new Arrival(event, messageId, this.#turn, taker, arrival));
    if (arrival.parts) for (const part of arrival.parts) part.taker.take(part);
    else if (!arrival.done) arrival.taker.take(arrival);
  }

  #onRepeat(arrival: Arrival): void {
    if (arrival.turn === this.#turn) return;
    arrival.turn = this.#turn;
    this.#answer(arrival);
  }

  #answer(entry: Acknowledged): void {
    this.#order.push(entry);
    if (entry.done) this.flush();
  }

  #isReceived(packetId: number): boolean {
    return this.#received.has(packetId) || this.#releasing.has(packetId) || this.#host.inbox?.has(packetId) === true;
  }

  /** A PUBREL that comes again meanwhile waits for the same. */
  #release(packetId: number): Promise<void> {
    const before = this.#releasing.get(packetId);
    if (before) return before;
    this.#received.delete(packetId);
    const releasing = (this.#host.inbox?.has(packetId) ? this.#host.inbox.release(packetId) : Promise.resolve()).finally(() =>
      this.#releasing.delete(packetId),
    );
    this.#releasing.set(packetId, releasing);
    return releasing;
  }

  async #while(durable: Promise<void>): Promise<void> {
    this.pause();
    try {
      await durable;
    } catch (error) {
      this.#host.onFailure(error);
      return;
    }
    this.resume();
  }
}

/** The server may have dropped what expired and given its identifier to another message: a repeat says the same. */
function isSame(event: StoredEvent, packet: PublishPacket): boolean {
  return event.topic === packet.topic && event.qos === packet.qos && Buffer.compare(event.payload, packet.payload as Buffer) === 0;
}

let textMs = 0;
let text = '';

/** The time of day; formatted once a millisecond. */
function timestamp(): string {
  const nowMs = Date.now();
  if (nowMs !== textMs) {
    textMs = nowMs;
    text = new Date(nowMs).toISOString();
  }
  return text;
}
