import { HydrantError } from '../core/errors.ts';
import type { Connection } from './connection.ts';
import { Fifo } from './fifo.ts';
import type { AckPacket, PublishPacket, SubackPacket, SubscribePacket, UnsubackPacket, UnsubscribePacket } from './packet.ts';
import type { PacketIds } from './packet-ids.ts';
import { reasonText } from './reason.ts';

interface Flight {
  resolve(codes: number[]): void;
  reject(error: Error): void;
  what: 'publish' | 'released' | 'request';
}

/** Above this many bytes waiting, a QoS 0 publish resolves only when the peer has caught up. */
const HIGH_WATER_BYTES = 1_048_576;

/** What a client has sent and waits for: at most `window` publishes at once, the others wait in order. */
export class Outgoing {
  window: number;
  readonly #connection: Connection;
  readonly #ids: PacketIds;
  readonly #flights = new Map<number, Flight>();
  readonly #waiting = new Fifo<{ packet: PublishPacket; flight: Flight }>();
  #drained: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #publishing = 0;
  #ended: Error | undefined;

  constructor(connection: Connection, window: number, ids: PacketIds) {
    this.#connection = connection;
    this.#ids = ids;
    this.window = window;
  }

  publish(packet: PublishPacket): Promise<unknown> {
    if (!this.#connection.open) return Promise.reject(this.#ended ?? new HydrantError('HYD_CLOSED', 'the MQTT connection is closing'));
    if (packet.qos === 0) return this.#publishQos0(packet);
    return new Promise((resolve, reject) => {
      const flight: Flight = { resolve, reject, what: 'publish' };
      if (this.#publishing < this.window) this.#send(packet, flight);
      else this.#waiting.push({ packet, flight });
    });
  }

  /** Resolves with the codes of the answer. */
  request(packet: SubscribePacket | UnsubscribePacket): Promise<number[]> {
    if (!this.#connection.open) return Promise.reject(this.#ended ?? new HydrantError('HYD_CLOSED', 'the MQTT connection is closing'));
    return new Promise((resolve, reject) => {
      const id = this.#ids.take();
      this.#connection.send({ ...packet, messageId: id });
      this.#flights.set(id, { resolve, reject, what: 'request' });
    });
  }

  onAnswer(packet: SubackPacket | UnsubackPacket): void {
    const flight = this.#flights.get(packet.messageId ?? 0);
    if (flight?.what !== 'request') return;
    this.#forget(packet.messageId ?? 0);
    flight.resolve(packet.granted ?? []);
  }

  onAck(packet: AckPacket): void {
    const id = packet.messageId ?? 0;
    const flight = this.#flights.get(id);
    const code = packet.reasonCode ?? 0;
    if (packet.cmd === 'pubrec' && code < 0x80) {
      if (flight) flight.what = 'released';
      this.#connection.sendAck('pubrel', id);
      return;
    }
    if (!flight || flight.what === 'request' || (packet.cmd === 'pubcomp' && flight.what !== 'released')) return;
    this.#forget(id);
    if (code < 0x80) flight.resolve([]);
    else flight.reject(new HydrantError('HYD_REFUSED', `the server refused a publish: ${reasonText(code)}`));
    this.#publishing--;
    this.#fill();
  }

  onDrain(): void {
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }

  /** Resolves when every publish has settled. */
  async settled(): Promise<void> {
    if (this.#publishing === 0 && this.#drained.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Everything that waits is rejected with `error`. */
  end(error: Error): void {
    this.#ended = error;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) next.flight.reject(error);
    for (const [id, flight] of this.#flights) {
      this.#forget(id);
      flight.reject(error);
    }
    this.#publishing = 0;
    this.onDrain();
    this.#wakeIdle();
  }

  async #publishQos0(packet: PublishPacket): Promise<void> {
    this.#connection.send(packet);
    if (this.#connection.bufferedBytes < HIGH_WATER_BYTES) return;
    await new Promise<void>((resolve) => this.#drained.push(resolve));
    this.#wakeIdle();
    if (this.#ended) throw this.#ended;
  }

  #send(packet: PublishPacket, flight: Flight): void {
    const id = this.#ids.take();
    packet.messageId = id;
    try {
      this.#connection.send(packet);
    } catch (error) {
      this.#ids.release(id);
      flight.reject(error as Error);
      return;
    }
    this.#flights.set(id, flight);
    this.#publishing++;
  }

  #fill(): void {
    while (this.#waiting.length > 0 && this.#publishing < this.window) {
      const { packet, flight } = this.#waiting.shift()!;
      this.#send(packet, flight);
    }
    this.#wakeIdle();
  }

  #wakeIdle(): void {
    if (this.#publishing > 0 || this.#drained.length > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  #forget(id: number): void {
    this.#flights.delete(id);
    this.#ids.release(id);
  }
}
