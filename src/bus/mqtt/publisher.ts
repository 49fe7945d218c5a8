import { HydrantError, systemCode } from '../../core/errors.ts';
import type { ClientEnd } from '../../mqtt/client-options.ts';
import type { Connection } from '../../mqtt/connection.ts';
import type { Sender } from '../../mqtt/ends.ts';
import { Fifo } from '../../mqtt/fifo.ts';
import type { AckPacket, ConnackPacket, PublishPacket } from '../../mqtt/packet.ts';
import { PacketIds } from '../../mqtt/packet-ids.ts';
import type { PublishOptions, Receipt } from '../bus.ts';
import { assertTaken, refusal } from './server-limits.ts';

const MAX_IN_FLIGHT = 1000;
/** Packet identifiers, but some for SUBSCRIBE and UNSUBSCRIBE. */
const LARGEST_WINDOW = 65_000;
/**
 * DISCONNECT for reasons of the server's own: shutting down, keep-alive, session taken over, administrative action, another server, moved,
 * maximum connect time.
 */
const BLAMELESS = new Set([0x8b, 0x8d, 0x8e, 0x98, 0x9c, 0x9d, 0xa0]);
/** Above this many bytes waiting, QoS 0 waits for the server too. */
const HIGH_WATER_BYTES = 1_048_576;

interface Flight {
  packet: PublishPacket;
  receipt: Receipt;
  state: 'waiting' | 'sent' | 'released' | 'settled';
  onCut: PublishOptions['onCut'];
  /** Where somebody may give it up: nobody will any more. */
  unlisten: (() => void) | undefined;
  resolve(receipt: Receipt): void;
  reject(error: Error): void;
}

/**
 * Publishes over any number of connections of one session. After a loss, what is unacknowledged is sent again in its order (MQTT 5 §4.4): to
 * the same session with DUP and its identifier, or PUBREL where PUBREC had come; to a new one as if for the first time.
 */
export class Publisher implements Sender {
  readonly ids = new PacketIds();
  /** Something was out when the last connection ended, and nothing had been acknowledged on it. */
  isStuck = false;
  readonly #maxInFlight: number;
  readonly #waiting = new Fifo<Flight>();
  /** By packet identifier, in the order sent. */
  readonly #flights = new Map<number, Flight>();
  #connection: Connection | undefined;
  #connack: ConnackPacket | undefined;
  #window = 0;
  #isResting = false;
  /** Something was acknowledged on this connection. */
  #isHeard = false;
  /** Identifiers of which the server may have half an exchange of QoS 2: it would take a new event for the repeat of another. */
  #doubtful: Uint8Array | undefined;
  #isFirst = true;
  readonly #watchers = new Set<() => void>();
  #ended: Error | undefined;

  constructor(maxInFlight: number = MAX_IN_FLIGHT) {
    this.#maxInFlight = maxInFlight;
  }

  /** Resolves on PUBACK or PUBCOMP, at QoS 0 once it is on its way. @throws HYD_REFUSED, HYD_TOO_LARGE, HYD_UNSUPPORTED, HYD_BUSY, HYD_ABORTED, HYD_CLOSED */
  publish(packet: PublishPacket, receipt: Receipt, { signal, onCut }: PublishOptions): Promise<Receipt> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const flight: Flight = { packet, receipt, state: 'waiting', onCut, unlisten: undefined, resolve, reject };
      if (signal) listen(flight, signal);
      this.#waiting.push(flight);
      this.#fill();
    });
  }

  /** Resolves when nothing waits and nothing is out, or after the time. */
  settled(timeoutMs: number): Promise<void> {
    return this.#until(() => this.#waiting.length === 0 && this.#flights.size === 0, timeoutMs);
  }

  /** What waits is not sent any more. */
  withdraw(): void {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (next.state === 'settled') continue;
      settle(next, new HydrantError('HYD_ABORTED', `the event on ${next.packet.topic} was withdrawn before it was sent`));
    }
  }

  /** Sends nothing more on this connection. Resolves when nothing is out, or after the time. */
  rest(timeoutMs: number): Promise<void> {
    this.#isResting = true;
    return this.#until(() => this.#flights.size === 0 || !this.#connection, timeoutMs);
  }

  /** After the connection: tells what was out whether the server ended it. */
  onDown(end: ClientEnd): void {
    if (!isCut(end)) return;
    const cut = [...this.#flights].filter(([, { state }]) => state === 'sent');
    for (const [id, flight] of cut) if (flight.onCut?.(cut.length - 1)) this.#giveBack(id, flight);
  }

  /** No connection comes any more. */
  end(error: Error): void {
    this.#ended = error;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) if (next.state !== 'settled') settle(next, error);
    for (const flight of this.#flights.values()) settle(flight, error);
    this.#flights.clear();
    this.#look();
  }

  // Sender

  onOpen(connection: Connection, connack: ConnackPacket): void {
    this.#connection = connection;
    this.#connack = connack;
    this.#isResting = this.#isHeard = false;
    this.#window = Math.min(this.#maxInFlight, connack.properties?.receiveMaximum ?? LARGEST_WINDOW, LARGEST_WINDOW);
    if (!connack.sessionPresent) this.#startOver();
    else if (this.#isFirst) this.#doubtful = new Uint8Array(65_536).fill(1);
    else this.#resume(connection);
    this.#isFirst = false;
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
    this.#isHeard = true;
    this.#flights.delete(id);
    this.ids.release(id);
    settle(flight, code < 0x80 || cmd === 'pubcomp' ? undefined : refusal(flight.packet.topic, code));
    this.#fill();
  }

  onDrain(): void {
    this.#fill();
  }

  onEnd(): void {
    this.#connection = undefined;
    this.isStuck = this.#flights.size > 0 && !this.#isHeard;
    this.#look();
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
    for (const id of this.#flights.keys()) this.ids.release(id);
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) all.push(next);
    this.#flights.clear();
    this.#doubtful = undefined;
    for (const flight of all) {
      if (flight.state !== 'settled') flight.state = 'waiting';
      this.#waiting.push(flight);
    }
  }

  #fill(): void {
    while (this.#waiting.length > 0 && this.#connection?.open && !this.#isResting) {
      const flight = this.#waiting.peek()!;
      const { qos } = flight.packet;
      if (flight.state === 'settled') this.#waiting.shift();
      else if (qos === 0 ? this.#connection.bufferedBytes > HIGH_WATER_BYTES : this.#flights.size >= this.#window) break;
      else {
        this.#waiting.shift();
        if (qos === 0) this.#send(flight, 0, false);
        else this.#sendFirst(flight, this.#connection);
      }
    }
    if (this.#watchers.size > 0) this.#look();
  }

  #sendFirst(flight: Flight, connection: Connection): void {
    const id = this.ids.take();
    if (flight.packet.qos === 2 && this.#doubtful?.[id] === 1) {
      this.#doubtful[id] = 0;
      connection.sendAck('pubrel', id);
    }
    this.#send(flight, id, false);
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
      this.ids.release(id);
      return settle(flight, error as Error);
    }
    if (packet.qos === 0) return settle(flight);
    flight.state = 'sent';
    this.#flights.set(id, flight);
  }

  #giveBack(id: number, flight: Flight): void {
    this.#flights.delete(id);
    this.ids.release(id);
    this.#doubtful ??= new Uint8Array(65_536);
    this.#doubtful[id] = 1;
    settle(
      flight,
      new HydrantError('HYD_ABORTED', `the event on ${flight.packet.topic} was given back when the server ended the connection`),
    );
  }

  async #until(isSo: () => boolean, timeoutMs: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.#ended || isSo()) done.resolve();
    };
    const timer = setTimeout(done.resolve, timeoutMs);
    this.#watchers.add(look);
    look();
    await done.promise;
    this.#watchers.delete(look);
    clearTimeout(timer);
  }

  #look(): void {
    for (const look of this.#watchers) look();
  }
}

function listen(flight: Flight, signal: AbortSignal): void {
  const abort = (): void => {
    if (flight.state === 'waiting') flight.state = 'settled';
    flight.reject(
      new HydrantError('HYD_ABORTED', `nobody waits for the event on ${flight.packet.topic} any more`, { cause: signal.reason }),
    );
  };
  signal.addEventListener('abort', abort, { once: true });
  flight.unlisten = () => signal.removeEventListener('abort', abort);
}

function settle(flight: Flight, error?: Error): void {
  flight.unlisten?.();
  if (error) flight.reject(error);
  else flight.resolve(flight.receipt);
}

/** The server hung up, by a word or without, perhaps over something that was sent; a network that is away is no server. */
function isCut({ error, reasonCode, hungUp }: ClientEnd): boolean {
  if (reasonCode !== undefined) return !BLAMELESS.has(reasonCode);
  const code = systemCode(error?.cause);
  return hungUp === true && (code === undefined || code === 'ECONNRESET' || code === 'EPIPE');
}
