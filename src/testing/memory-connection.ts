import { Connection, type ConnectionOptions } from '../mqtt/connection.ts';
import { encodePacket } from '../mqtt/encode.ts';
import type { PacketFault } from '../mqtt/fault.ts';
import type { Packet, Version } from '../mqtt/packet.ts';
import { Sweeper } from '../mqtt/sweeper.ts';
import { MemoryTransport } from './memory-transport.ts';

/** A connection over a memory transport with a clock set by hand; what it tells its handler is kept. */
export class MemoryConnection {
  readonly transport = new MemoryTransport();
  readonly packets: Packet[] = [];
  readonly faults: PacketFault[] = [];
  readonly closes: (Error | undefined)[] = [];
  readonly connection: Connection;
  drains = 0;
  nowMs = 0;
  readonly #sweeper = new Sweeper({ clock: () => this.nowMs, intervalMs: 0 });

  constructor(options: Partial<ConnectionOptions> = {}) {
    this.connection = new Connection(this.transport, {
      sweeper: this.#sweeper,
      ...options,
      handler: {
        onPacket: (packet) => void this.packets.push(packet),
        onFault: (fault) => void this.faults.push(fault),
        onClose: (error) => void this.closes.push(error),
        onDrain: () => this.drains++,
        ...options.handler,
      },
    });
  }

  receive(bytes: Uint8Array): void {
    this.transport.onData(Buffer.from(bytes));
  }

  /** Receives a plain CONNECT. */
  connect(version: Version = 4): this {
    const protocolId = version === 3 ? 'MQIsdp' : 'MQTT';
    this.receive(encodePacket({ cmd: 'connect', clientId: 'c', protocolId, protocolVersion: version, clean: true, keepalive: 0 }, version));
    return this;
  }

  /** Lets the clock pass in steps of half a second. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 500) {
      this.nowMs += Math.min(500, left);
      this.#sweeper.sweep();
    }
  }

  /** What was written so far. */
  written(): Buffer {
    return Buffer.concat(this.transport.writes.flat());
  }
}
