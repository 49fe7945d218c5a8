import type { JournalRecord } from '../journal/record.ts';
import { type Delivery, DeliveryOrder, type Share, TAKEN } from './delivery.ts';
import { Message } from './message.ts';
import type { Session } from './session.ts';
import type { SessionHost, Sink } from './session-host.ts';
import type { SessionState } from './session-state.ts';
import type { Route } from './subscription.ts';

/** Beside a message and its route: where it comes from, when that is not the journal in its order. */
interface Origin {
  /** Because of a new subscription, with RETAIN set. */
  retained?: boolean;
  /** The order of the feed of the past that it belongs to. */
  past?: DeliveryOrder;
  /** The group that gives it. */
  share?: Share;
}

const LAST_ID = 65_535;

/** What a session has sent, or is about to, and what is not acknowledged yet: packet ids, both handshakes, and sending again. */
export class InFlight implements Iterable<Delivery> {
  /** Those that move the session's cursor. */
  readonly order = new DeliveryOrder();
  readonly #session: Session;
  readonly #host: SessionHost;
  readonly #state: SessionState | undefined;
  /** By packet id, in the order of sending. */
  readonly #byId = new Map<number, Delivery>();
  /** Since an earlier connection, and yet to be sent again: no more at once than this one takes [MQTT-3.3.4-9]. */
  readonly #repeats = new Set<Delivery>();
  #nextId = 1;

  constructor(session: Session, host: SessionHost, state: SessionState | undefined) {
    this.#session = session;
    this.#host = host;
    this.#state = state;
  }

  get size(): number {
    return this.#byId.size;
  }

  [Symbol.iterator](): Iterator<Delivery> {
    return this.#byId.values();
  }

  /** Room for that many more. */
  room({ window, writable }: Sink): number {
    return writable && !this.order.full ? Math.max(0, window - this.size) : 0;
  }

  /** Sends a message under a packet id of its own; at QoS 2, of a session that is kept, once that is durable. */
  send(message: Message, route: Route, qos: 1 | 2, origin: Origin = {}): void {
    const { retained = false, past, share } = origin;
    const left = message.secondsLeft(this.#host);
    if (left !== undefined && left <= 0) {
      this.#host.onDropped(this.#session, 'expired');
      return;
    }
    const { persistent } = this.#session;
    const tracked = !retained && !past && !share && message.seq > 0;
    const packetId = this.#takeId();
    const delivery: Delivery = { packetId, seq: message.seq, qos, stage: 'sent', message, route, retained, tracked, share, dup: false };
    this.#byId.set(packetId, delivery);
    if (tracked) this.#track(delivery);
    else past?.add(delivery);
    const claimed = qos === 2 && share?.claim() === true;
    if (qos === 2 && message.seq > 0 && (persistent || claimed)) {
      delivery.stage = 'waiting';
      if (persistent) this.#state?.saveDelivery(this.#session, delivery);
      this.#whenDurable(delivery, () => this.#sendFirst(delivery));
    } else this.#send(delivery);
  }

  /** PUBACK, or a role's `ack()`. False when there is no such delivery. */
  acknowledge(packetId: number): boolean {
    return this.#finish(packetId, 1);
  }

  /** PUBREC. False when there is no such delivery. */
  received(packetId: number): boolean {
    const delivery = this.#byId.get(packetId);
    if (delivery?.qos !== 2) return false;
    if (delivery.stage === 'sent') {
      delivery.stage = 'released';
      delivery.message = undefined;
      this.#repeats.delete(delivery);
      if (this.#session.persistent && delivery.seq > 0) this.#state?.saveDelivery(this.#session, delivery);
    }
    this.#whenDurable(delivery, () => this.#session.sink?.release(delivery));
    return true;
  }

  /** PUBCOMP, or a PUBREC that refuses the message. */
  completed(packetId: number): boolean {
    return this.#finish(packetId, 2);
  }

  /** @internal as it was when the state was saved */
  restore(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      this.#byId.set(delivery.packetId, delivery);
      if (delivery.tracked) this.#track(delivery);
    }
  }

  /** Sequences whose messages are to be had again before anything can be sent. */
  get lost(): number[] {
    return [...this.#byId.values()].filter(({ message, stage }) => !message && stage !== 'released').map(({ seq }) => seq);
  }

  /** Somebody is there again: `repeat` sends it all once more. @param records of what was lost, as far as it still exists */
  prepareRepeat(records: Map<number, JournalRecord>): void {
    for (const delivery of this.#byId.values()) {
      const record = records.get(delivery.seq);
      delivery.message ??= record && Message.restored(record);
      this.#repeats.add(delivery);
    }
  }

  /** Sends again what has not been yet, as far as there is room. */
  repeat(): void {
    for (const delivery of this.#repeats) {
      const { sink } = this.#session;
      if (!sink || this.size - this.#repeats.size >= sink.window) return;
      this.#repeats.delete(delivery);
      this.#sendAgain(delivery, sink);
    }
  }

  /** Nobody is there any more: messages are let go of, and what a group gave goes back to it. */
  detach(): void {
    this.#repeats.clear();
    for (const delivery of this.#byId.values()) {
      if (delivery.share) this.#leaveShared(delivery);
      if (delivery.tracked || (delivery.share && delivery.seq > 0)) delivery.message = undefined;
    }
  }

  #track(delivery: Delivery): void {
    if (!this.#session.internal) this.order.add(delivery);
  }

  #send(delivery: Delivery): void {
    this.#session.sink!.deliver(delivery);
    if (delivery.share && delivery.qos === 2) this.#takeShared(delivery);
  }

  #sendFirst(delivery: Delivery): void {
    if (delivery.stage !== 'waiting' || !this.#session.sink || !delivery.message || this.#session.isResuming) return;
    delivery.stage = 'sent';
    // In flight in the order of sending, which is the order of sending again [MQTT-4.6.0-1].
    this.#byId.delete(delivery.packetId);
    this.#byId.set(delivery.packetId, delivery);
    this.#send(delivery);
  }

  /** [MQTT-4.4.0-1]: with the packet id it had, in the order it was sent, DUP set on what was sent before. */
  #sendAgain(delivery: Delivery, sink: Sink): void {
    if (delivery.stage === 'released') this.#whenDurable(delivery, () => sink.release(delivery));
    else if (!delivery.message) {
      this.#host.onDropped(this.#session, 'missing');
      this.#settle(delivery);
    } else if (delivery.stage === 'waiting') this.#whenDurable(delivery, () => this.#sendFirst(delivery));
    else {
      delivery.dup = true;
      sink.deliver(delivery);
    }
  }

  #takeShared(delivery: Delivery): void {
    delivery.share!.finish();
    delivery.share = TAKEN;
  }

  /** Nobody is there: another member gets it. What was sent at QoS 2 stays with this session. */
  #leaveShared(delivery: Delivery): void {
    if (delivery.qos === 2 && delivery.stage !== 'waiting') this.#takeShared(delivery);
    else if (delivery.share!.giveBack()) {
      this.#byId.delete(delivery.packetId);
      if (delivery.qos === 2 && this.#session.persistent) this.#state?.removeDelivery(this.#session, delivery);
    }
  }

  /** State second, wire last. */
  #whenDurable(delivery: Delivery, act: () => void): void {
    const { sink, persistent } = this.#session;
    const when = (): void => {
      if (this.#session.sink === sink && this.#byId.get(delivery.packetId) === delivery) act();
    };
    if ((persistent || delivery.stage === 'waiting') && delivery.seq > 0 && this.#state) this.#state.onDurable(when);
    else when();
  }

  #finish(packetId: number, qos: 1 | 2): boolean {
    const delivery = this.#byId.get(packetId);
    if (delivery?.qos !== qos) return false;
    this.#settle(delivery);
    return true;
  }

  #settle(delivery: Delivery): void {
    this.#byId.delete(delivery.packetId);
    this.#repeats.delete(delivery);
    delivery.message = undefined;
    delivery.stage = 'done';
    if (delivery.qos === 2 && this.#session.persistent && delivery.seq > 0) this.#state?.saveDelivery(this.#session, delivery);
    this.#session.onDone(delivery);
  }

  #takeId(): number {
    while (this.#byId.has(this.#nextId)) this.#nextId = (this.#nextId % LAST_ID) + 1;
    const id = this.#nextId;
    this.#nextId = (id % LAST_ID) + 1;
    return id;
  }
}
