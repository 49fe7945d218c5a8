import { type Dialect, decodePacket } from '../../src/mqtt/decode.ts';
import { Framer } from '../../src/mqtt/framing.ts';
import { checkHeader } from '../../src/mqtt/header.ts';
import type { ConnackPacket, DisconnectPacket, Packet, PublishPacket } from '../../src/mqtt/packet.ts';
import type { Life } from './script.ts';
import type { Terms } from './verdict.ts';

/**
 * Reads what a server sends and holds it to the rules that do not depend on what was published: the order of packets, flow control,
 * sizes, aliases, packet identifiers.
 */
export class ServerRules {
  connack: ConnackPacket | undefined;
  goodbye: DisconnectPacket | undefined;
  /** What this end acknowledged is no longer known, so what is in flight is not either. */
  anyFlow = false;
  readonly #life: Life;
  readonly #onPacket: (packet: Packet) => void;
  readonly #framer: Framer;
  readonly #aliases = new Set<number>();
  /** QoS 1 and 2 deliveries of this connection that were not acknowledged to the end. */
  readonly #unacked = new Set<number>();
  readonly #early = new Set<number>();
  #frameBytes = 0;

  /** @param onPacket gets each packet that breaks no rule */
  constructor(life: Life, onPacket: (packet: Packet) => void) {
    this.#life = life;
    this.#onPacket = onPacket;
    const dialect: Dialect = { version: life.version, bridge: false, end: 'client' };
    this.#framer = new Framer(Number.POSITIVE_INFINITY, {
      checkHeader: (firstByte) => checkHeader(firstByte, dialect, true),
      onFrame: (frame, at) => {
        this.#frameBytes = frame.length;
        this.#check(decodePacket(frame, at, dialect));
      },
    });
  }

  /** @throws what is wrong with it */
  push(bytes: Buffer): void {
    this.#framer.push(bytes);
  }

  /** What the server takes, by its CONNACK. */
  get terms(): Terms {
    const { receiveMaximum = 65_535, topicAliasMaximum = 0, maximumPacketSize = Number.POSITIVE_INFINITY } = this.connack?.properties ?? {};
    return { receiveMaximum, topicAliasMaximum, maximumPacketSize };
  }

  /** An acknowledgement that ends a delivery goes out, perhaps of one that is still on its way here. */
  acknowledged(packetId: number): void {
    if (!this.#unacked.delete(packetId)) this.#early.add(packetId);
  }

  #check(packet: Packet): void {
    if (this.goodbye) throw new Error(`${packet.cmd} after DISCONNECT`);
    if (!this.connack && packet.cmd !== 'connack') throw new Error(`${packet.cmd} before CONNACK`);
    if (this.#life.version === 5 && this.#frameBytes > this.#life.maximumPacketSize)
      throw new Error(`${packet.cmd} of ${this.#frameBytes} bytes; at most ${this.#life.maximumPacketSize} were asked for`);
    if (packet.cmd === 'connack') this.#checkConnack(packet);
    if (packet.cmd === 'publish') this.#checkPublish(packet);
    if (packet.cmd === 'disconnect') this.goodbye = packet;
    this.#onPacket(packet);
  }

  #checkConnack(packet: ConnackPacket): void {
    if (this.connack) throw new Error('a second CONNACK');
    if (packet.sessionPresent && this.#life.clean) throw new Error('a session is present although a clean one was asked for');
    this.connack = packet;
  }

  #checkPublish(packet: PublishPacket): void {
    const alias = packet.properties?.topicAlias;
    if (alias !== undefined) {
      if (alias > this.#life.topicAliasMaximum)
        throw new Error(`topic alias ${alias}; at most ${this.#life.topicAliasMaximum} were offered`);
      if (packet.topic === '' && !this.#aliases.has(alias)) throw new Error(`topic alias ${alias} was never set`);
      this.#aliases.add(alias);
    }
    if (/[+#]/.test(packet.topic)) throw new Error(`an event on ${packet.topic}`);
    if (packet.qos === 0 || this.anyFlow) return;
    const id = packet.messageId!;
    if (this.#unacked.has(id))
      throw new Error(`packet id ${id} is used again before it was acknowledged, for ${packet.topic}${packet.dup ? ', DUP' : ''}`);
    if (this.#early.delete(id)) return;
    this.#unacked.add(id);
    if (this.#unacked.size > this.#life.receiveMaximum)
      throw new Error(`${this.#unacked.size} deliveries in flight; at most ${this.#life.receiveMaximum} were asked for`);
  }
}
