import { readVersion } from './check-connect.ts';
import { type Dialect, decodePacket } from './decode.ts';
import { ACK_TEMPLATES, type AckCommand, encodePieces } from './encode.ts';
import { type FaultReason, PacketFault } from './fault.ts';
import { Framer } from './framing.ts';
import { Gather } from './gather.ts';
import { checkHeader } from './header.ts';
import type { Packet, Version } from './packet.ts';
import { PublishHead } from './publish-head.ts';
import { type Sweeper, type Swept, sharedSweeper } from './sweeper.ts';
import type { Transport, TransportKind } from './transport.ts';

/** The owner of a connection. */
export interface ConnectionHandler {
  /** One whole, checked packet. Payloads are views of the bytes received: copy what is kept for long. */
  onPacket(packet: Packet): void;
  /**
   * The peer broke the protocol, or was too slow; at most once, and no packet comes after it. What is sent in this call still
   * goes out, then the connection is closed.
   */
  onFault(fault: PacketFault): void;
  /** Once, whoever closed it. */
  onClose(error?: Error): void;
  /** `bufferedBytes` was above `lowWaterBytes` and no longer is. */
  onDrain(): void;
}

export interface ConnectionOptions {
  handler: ConnectionHandler;
  /** Which end this is. Default `server`, which expects a CONNECT first. */
  end?: 'server' | 'client';
  /** Of the client end; a server takes it from the CONNECT. Default 4. */
  version?: Version;
  /** Longest packet taken in, bytes. Default 268 435 460, the longest there is. */
  maxPacketBytes?: number;
  /** Longest CONNECT taken in, bytes. Default 131 072 or `maxPacketBytes`, the smaller. */
  maxConnectBytes?: number;
  /** A server gives up when no CONNECT came within this time, milliseconds. Default 10 000, 0 never. */
  connectTimeoutMs?: number;
  /** A peer that takes no byte for this long while some wait is given up, milliseconds. Default 30 000, 0 never. */
  stalledMs?: number;
  /** How long `close()` waits for the peer before it cuts, milliseconds. Default 3 000. */
  lingerMs?: number;
  /** See `onDrain`. Default 65 536. */
  lowWaterBytes?: number;
  sweeper?: Sweeper;
}

const head = new PublishHead();
const LONGEST_PACKET = 268_435_455 + 5;
const CONNECT_BYTES = 131_072;
/** While a packet longer than this arrives its sender is alive, and cannot put a PINGREQ into it. */
const LONG_PACKET_BYTES = 1024;

/**
 * One MQTT connection, at either end. Packets sent during one tick leave in one write at its end. Nothing that a peer sends throws.
 */
export class Connection {
  readonly remote: string;
  readonly kind: TransportKind;
  bytesIn = 0;
  bytesOut = 0;
  packetsIn = 0;
  packetsOut = 0;
  readonly #transport: Transport;
  readonly #handler: ConnectionHandler;
  readonly #framer: Framer;
  readonly #gather = new Gather();
  readonly #dialect: Dialect;
  readonly #sweeper: Sweeper;
  readonly #swept: Swept = { sweep: (nowMs) => this.#sweep(nowMs) };
  readonly #maxPacketBytes: number;
  readonly #stalledMs: number;
  readonly #lingerMs: number;
  readonly #lowWaterBytes: number;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #connected: boolean;
  #faulted = false;
  #dirty = false;
  #aboveLowWater = false;
  #paused = false;
  #heard = false;
  #heardAtMs: number;
  #keepAliveMs = 0;
  #deadlineMs: number;
  #progress = 0;
  #progressAtMs = 0;
  #destroyError: Error | undefined;

  constructor(transport: Transport, options: ConnectionOptions) {
    const { end = 'server', maxPacketBytes = LONGEST_PACKET, connectTimeoutMs = 10_000 } = options;
    this.#transport = transport;
    this.remote = transport.remote;
    this.kind = transport.kind;
    this.#handler = options.handler;
    this.#dialect = { version: options.version ?? 4, bridge: false, end };
    this.#connected = end === 'client';
    this.#maxPacketBytes = maxPacketBytes;
    this.#stalledMs = options.stalledMs ?? 30_000;
    this.#lingerMs = options.lingerMs ?? 3_000;
    this.#lowWaterBytes = options.lowWaterBytes ?? 65_536;
    this.#framer = new Framer(this.#connected ? maxPacketBytes : Math.min(options.maxConnectBytes ?? CONNECT_BYTES, maxPacketBytes), {
      checkHeader: (firstByte) => checkHeader(firstByte, this.#dialect, this.#connected),
      onFrame: (frame, at) => this.#onFrame(frame, at),
    });
    this.#sweeper = options.sweeper ?? sharedSweeper;
    this.#sweeper.add(this.#swept);
    this.#heardAtMs = this.#sweeper.nowMs;
    this.#deadlineMs = this.#connected || connectTimeoutMs === 0 ? Number.POSITIVE_INFINITY : this.#sweeper.nowMs + connectTimeoutMs;
    transport.onData = (chunk) => this.#receive(chunk);
    transport.onFault = (fault) => this.#fault(fault);
    transport.onClose = (error) => this.#closed(error);
  }

  /** 4 until a CONNECT has said otherwise. */
  get version(): Version {
    return this.#dialect.version;
  }

  /** True until `close()`, `destroy()`, a fault or the peer ended it. Sending afterwards does nothing. */
  get open(): boolean {
    return this.#state === 'open';
  }

  /** `pauseReading()` was called last. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Bytes gathered and in the transport that the kernel has not taken. */
  get bufferedBytes(): number {
    return this.#gather.bytes + this.#transport.bufferedBytes;
  }

  /** @throws HYD_USAGE when a value does not fit its field; nothing is sent then */
  send(packet: Packet): void {
    if (this.#state !== 'open') return;
    if (packet.cmd === 'publish' && head.measure(packet, this.#dialect.version)) {
      const at = this.#gather.reserve(head.bytes);
      head.write(packet, this.#gather.chunk, at);
      this.#gather.append(packet.payload as Buffer);
    } else for (const piece of encodePieces(packet, this.#dialect.version)) this.#gather.append(piece);
    this.#sent();
  }

  /** Success without properties, in four bytes. */
  sendAck(command: AckCommand, messageId: number): void {
    if (this.#state !== 'open') return;
    this.#gather.appendAck(ACK_TEMPLATES[command], messageId);
    this.#sent();
  }

  /** The same for many, in this order. */
  sendAcks(command: AckCommand, messageIds: readonly number[]): void {
    if (this.#state !== 'open' || messageIds.length === 0) return;
    const template = ACK_TEMPLATES[command];
    for (const messageId of messageIds) this.#gather.appendAck(template, messageId);
    this.packetsOut += messageIds.length - 1;
    this.#sent();
  }

  /**
   * A packet encoded once for many (`encodePublish`), with this connection's packet identifier. From 4 KiB on the bytes are
   * passed on uncopied, so they must not change any more.
   * @param idOffset where the identifier stands, -1 for none
   */
  sendShared(bytes: Buffer, idOffset: number, messageId: number): void {
    if (this.#state !== 'open') return;
    this.#gather.appendShared(bytes, idOffset, messageId);
    this.#sent();
  }

  /** Writes what was gathered now, not at the end of the tick. */
  flush(): void {
    this.#dirty = false;
    if (this.#gather.bytes === 0 || this.#state === 'closed') return;
    const gathered = this.#gather.bytes;
    this.bytesOut += gathered;
    // Who saw so much wait is told of it, also when the transport takes all of it at once.
    if (gathered > this.#lowWaterBytes) this.#aboveLowWater = true;
    const { pieces, release } = this.#gather.take();
    if (this.#transport.bufferedBytes === 0) this.#progressAtMs = this.#sweeper.nowMs;
    this.#transport.write(pieces, () => {
      release();
      this.#written();
    });
    if (this.#transport.bufferedBytes > this.#lowWaterBytes) this.#aboveLowWater = true;
  }

  /**
   * Cuts the connection when nothing came for 1.5 times this long [MQTT-3.1.2-22]; between that and a second later.
   * Time in which reading is paused does not count.
   * @param seconds 0 for never
   */
  setKeepAlive(seconds: number): void {
    this.#keepAliveMs = seconds * 1500;
    this.#heard = true;
  }

  /** No further packet is handed on, not even from what was already received. */
  pauseReading(): void {
    if (this.#paused || this.#state !== 'open') return;
    this.#paused = true;
    this.#framer.pause();
    this.#transport.pause();
  }

  /** Packets that waited are handed on before this returns, unless it is called within `onPacket`. */
  resumeReading(): void {
    if (!this.#paused || this.#state !== 'open') return;
    this.#paused = false;
    this.#heard = true;
    this.#transport.resume();
    this.#read(() => this.#framer.resume());
  }

  /** Sends what was gathered, then closes; the peer has `lingerMs` to take it. */
  close(): void {
    if (this.#state !== 'open') return;
    this.flush();
    this.#state = 'closing';
    this.#framer.stop();
    this.#deadlineMs = this.#sweeper.nowMs + this.#lingerMs;
    // Unread bytes would turn the close into a reset, which takes the last answer away from the peer.
    if (this.#paused) this.#transport.resume();
    this.#transport.end();
  }

  /** Closes at once; what was gathered is lost. @param error handed to `onClose` */
  destroy(error?: Error): void {
    if (this.#state === 'closed') return;
    this.#destroyError ??= error;
    this.#state = 'closing';
    this.#framer.stop();
    this.#transport.destroy();
  }

  #onFrame(frame: Buffer, at: number): void {
    this.packetsIn++;
    if (!this.#connected) this.#opened(frame, at);
    this.#heard = true;
    this.#handler.onPacket(decodePacket(frame, at, this.#dialect));
  }

  #opened(frame: Buffer, at: number): void {
    Object.assign(this.#dialect, readVersion(frame, at));
    this.#connected = true;
    this.#framer.maxPacketBytes = this.#maxPacketBytes;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
  }

  #sweep(nowMs: number): void {
    if (this.#heard || this.#paused) this.#heardAtMs = nowMs;
    this.#heard = false;
    if (this.#state === 'closing') {
      if (nowMs >= this.#deadlineMs) this.#transport.destroy();
    } else if (nowMs >= this.#deadlineMs) {
      this.#late('connect-timeout', 'no CONNECT in time');
    } else if (this.#keepAliveMs > 0 && nowMs - this.#heardAtMs > this.#keepAliveMs) {
      this.#late('keep-alive-timeout', `nothing received for ${this.#keepAliveMs / 1000} s`);
    } else if (this.#stalledMs > 0) this.#checkProgress(nowMs);
  }

  #checkProgress(nowMs: number): void {
    const waiting = this.#transport.bufferedBytes;
    const progress = waiting > 0 ? this.#transport.progress : 0;
    if (waiting === 0 || progress !== this.#progress) {
      this.#progress = progress;
      this.#progressAtMs = nowMs;
    } else if (nowMs - this.#progressAtMs >= this.#stalledMs) {
      this.#late('stalled', `${waiting} bytes wait and none was taken for ${this.#stalledMs / 1000} s`);
    }
  }

  #late(reason: FaultReason, message: string): void {
    this.#fault(new PacketFault(reason, message));
    if (reason === 'stalled') this.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#state !== 'open') return;
    this.bytesIn += chunk.length;
    this.#read(() => this.#framer.push(chunk));
    if (this.#framer.underWayBytes > LONG_PACKET_BYTES) this.#heard = true;
  }

  #read(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof PacketFault)) throw error;
      this.#fault(error);
    }
  }

  #fault(fault: PacketFault): void {
    if (this.#faulted || this.#state !== 'open') return;
    this.#faulted = true;
    this.#framer.stop();
    this.#handler.onFault(fault);
    this.close();
  }

  #closed(error?: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#framer.stop();
    this.#gather.take().release();
    this.#sweeper.delete(this.#swept);
    this.#handler.onClose(this.#destroyError ?? error);
  }

  #sent(): void {
    this.packetsOut++;
    if (this.#dirty) return;
    this.#dirty = true;
    if (dirty.push(this) === 1) queueMicrotask(flushDirty);
  }

  #written(): void {
    if (!this.#aboveLowWater || this.#transport.bufferedBytes > this.#lowWaterBytes) return;
    this.#aboveLowWater = false;
    if (this.#state === 'open') this.#handler.onDrain();
  }
}

let dirty: Connection[] = [];

function flushDirty(): void {
  const connections = dirty;
  dirty = [];
  for (const connection of connections) connection.flush();
}
