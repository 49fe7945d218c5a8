import { HydrantError } from '../../core/errors.ts';
import type { ClientOptions } from '../../mqtt/client.ts';
import type { Connection } from '../../mqtt/connection.ts';
import type { Sender } from '../../mqtt/ends.ts';
import { Fifo } from '../../mqtt/fifo.ts';
import type { AckPacket, ConnackPacket, PublishPacket } from '../../mqtt/packet.ts';
import type { LinkContext } from './link-context.ts';
import type { LinkStatus } from './options.ts';
import { assertTaken, refusal } from './server-limits.ts';
import { type LinkOwner, SteadyLink } from './steady-link.ts';

const MAX_IN_FLIGHT = 1000;
const LAST_ID = 65_535;
/** How long the server keeps what is half published, should this process never come back. */
const SESSION_EXPIRY_SECONDS = 3600;
/** Above this many bytes waiting, QoS 0 waits for the server too. */
const HIGH_WATER_BYTES = 1_048_576;

interface Flight {
  packet: PublishPacket;
  state: 'waiting' | 'sent' | 'released' | 'settled';
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Publishes over any number of connections of one session. After a loss, what is unacknowledged is sent again in its order (MQTT 5 §4.4): to
 * the same session with DUP and its identifier, or PUBREL where PUBREC had come; to a new one as if for the first time.
 */
export class Publisher implements LinkOwner, Sender {
  readonly clientId: string;
  readonly durable = false;
  readonly #context: LinkContext;
  readonly #link: SteadyLink;
  readonly #waiting = new Fifo<Flight>();
  /** By packet identifier, in the order sent. */
  #flights = new Map<number, Flight>();
  #connection: Connection | undefined;
  #connack: ConnackPacket | undefined;
  #window = 0;
  #nextId = 1;
  #idle: (() => void)[] = [];
  #ended: Error | undefined;

  constructor(clientId: string, context: LinkContext, onEnd: () => void) {
    this.clientId = clientId;
    this.#context = context;
    this.#link = new SteadyLink(this, context);
    void this.#link.ended.promise.then((error) => {
      this.#end(error ?? new HydrantError('HYD_CLOSED', 'the bus was closed before the server had acknowledged it'));
      onEnd();
    });
  }

  get status(): LinkStatus {
    return this.#link.status;
  }

  /** Resolves on PUBACK or PUBCOMP, at QoS 0 once it is on its way. @throws HYD_REFUSED, HYD_TOO_LARGE, HYD_UNSUPPORTED, HYD_BUSY, HYD_ABORTED, HYD_CLOSED */
  publish(packet: PublishPacket, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      const abort = (): void => {
        if (flight.state === 'waiting') flight.state = 'settled';
        reject(new HydrantError('HYD_ABORTED', `nobody waits for the event on ${packet.topic} any more`, { cause: signal?.reason }));
      };
      const flight: Flight = {
        packet,
        state: 'waiting',
        resolve: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
        reject: (error) => {
          signal?.removeEventListener('abort', abort);
          reject(error);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(flight);
      this.#fill();
    });
  }

  /** Waits for what is out, then ends the session. */
  async close(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#whenIdle(), late]);
    clearTimeout(timer);
    const leftover = this.#connection?.version === 4;
    await this.#link.close(0);
    // MQTT 3.1.1 sessions end with a clean CONNECT only.
    if (leftover) await this.#link.clean();
  }

  // LinkOwner

  connectOptions(version: 4 | 5): Partial<ClientOptions> {
    return { clean: false, sender: this, sessionExpirySeconds: version === 5 ? SESSION_EXPIRY_SECONDS : undefined };
  }

  async onUp(): Promise<void> {}

  onDown(): void {}

  // Sender

  onOpen(connection: Connection, connack: ConnackPacket): void {
    this.#connection = connection;
    this.#connack = connack;
    const { maxInFlight = MAX_IN_FLIGHT } = this.#context.options;
    this.#window = Math.min(maxInFlight, connack.properties?.receiveMaximum ?? LAST_ID, LAST_ID);
    if (connack.sessionPresent) this.#resume(connection);
    else this.#startOver();
    this.#fill();
  }

  onAck({ cmd, messageId: id = 0, reasonCode: code = 0 }: AckPacket): void {
    const flight = this.#flights.get(id);
    if (cmd === 'pubrec' && code < 0x80) {
      if (flight) flight.state = 'released';
      this.#connection?.sendAck('pubrel', id);
      return;
    }
    if (!flight || (cmd === 'pubcomp' && flight.state !== 'released')) return;
    this.#flights.delete(id);
    if (code < 0x80 || cmd === 'pubcomp') flight.resolve();
    else flight.reject(refusal(flight.packet.topic, code));
    this.#fill();
  }

  onDrain(): void {
    this.#fill();
  }

  onEnd(): void {
    this.#connection = undefined;
  }

  /** The server has what was sent, or part of it. */
  #resume(connection: Connection): void {
    for (const [id, flight] of this.#flights) {
      if (flight.state === 'released') connection.sendAck('pubrel', id);
      else this.#send(flight, id, true);
    }
  }

  #startOver(): void {
    const all = [...this.#flights.values()];
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) all.push(next);
    this.#flights.clear();
    for (const flight of all) {
      if (flight.state !== 'settled') flight.state = 'waiting';
      this.#waiting.push(flight);
    }
  }

  #fill(): void {
    while (this.#waiting.length > 0 && this.#connection?.open) {
      const flight = this.#waiting.peek()!;
      const { qos } = flight.packet;
      if (flight.state === 'settled') this.#waiting.shift();
      else if (qos === 0 ? this.#connection.bufferedBytes > HIGH_WATER_BYTES : this.#flights.size >= this.#window) break;
      else {
        this.#waiting.shift();
        this.#send(flight, qos === 0 ? 0 : this.#takeId(), false);
      }
    }
    if (this.#waiting.length === 0 && this.#flights.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #send(flight: Flight, id: number, dup: boolean): void {
    const { packet } = flight;
    packet.messageId = id;
    packet.dup = dup;
    try {
      assertTaken(packet, this.#connack);
      this.#connection!.send(packet);
    } catch (error) {
      this.#flights.delete(id);
      flight.reject(error as Error);
      return;
    }
    if (packet.qos === 0) return flight.resolve();
    flight.state = 'sent';
    this.#flights.set(id, flight);
  }

  #takeId(): number {
    while (this.#flights.has(this.#nextId)) this.#nextId = (this.#nextId % LAST_ID) + 1;
    const id = this.#nextId;
    this.#nextId = (id % LAST_ID) + 1;
    return id;
  }

  async #whenIdle(): Promise<void> {
    if (this.#ended || (this.#waiting.length === 0 && this.#flights.size === 0)) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #end(error: Error): void {
    this.#ended = error;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) if (next.state !== 'settled') next.reject(error);
    for (const flight of this.#flights.values()) flight.reject(error);
    this.#flights.clear();
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
