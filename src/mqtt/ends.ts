import type { Connection } from './connection.ts';
import type { AckPacket, ConnackPacket, PublishPacket } from './packet.ts';
import type { PacketIds } from './packet-ids.ts';

/** What takes in the messages of a connection in place of `Client.messages`: for who remembers more than one connection's. */
export interface Receiver {
  /** CONNACK of success: what is sent in this call goes first, and nothing is handed on while reading is paused. */
  onOpen(connection: Connection, connack: ConnackPacket): void;
  onPublish(packet: PublishPacket): void;
  onRelease(packetId: number): void;
  /** The connection has ended. */
  onEnd(): void;
}

/** What publishes on a connection in place of `Client.publish`: for who remembers more than one connection's. */
export interface Sender {
  /** SUBSCRIBE and UNSUBSCRIBE take theirs from the same. */
  readonly ids: PacketIds;
  /** CONNACK of success: what is sent in this call goes first. */
  onOpen(connection: Connection, connack: ConnackPacket): void;
  onAck(packet: AckPacket): void;
  onDrain(): void;
  /** The connection has ended. */
  onEnd(): void;
}
