import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BINARY, CLOSE, FrameReader, maskedFrame, upgradeRequest } from './websocket-frames.ts';

/** One socket to the server, MQTT plainly or in websocket frames, whose writes are divided as a test wants them. */
export class Wire {
  onBytes: (bytes: Buffer) => void = () => {};
  onFailure: (error: Error) => void = () => {};
  /** Resolves when the socket is gone, whoever closed it. */
  readonly closed: Promise<void>;
  isClosed = false;
  readonly #socket: Socket;
  readonly #reader: FrameReader | undefined;
  #held: Buffer[] = [];
  #answers: Buffer[] = [];
  #isWriting = false;
  #isFlushing = false;

  private constructor(socket: Socket, framed: boolean) {
    this.#socket = socket;
    this.#reader = framed ? new FrameReader() : undefined;
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('close', () => {
      this.isClosed = true;
      closed.resolve();
    });
  }

  /** @param from local address: each case has one of its own, as the clients of a fleet do */
  static async open(url: string, from: string): Promise<Wire> {
    const { hostname, port, host, protocol } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, localAddress: from });
    await once(socket, 'connect');
    const wire = new Wire(socket, protocol === 'ws:');
    if (protocol === 'ws:') socket.write(upgradeRequest(host));
    return wire;
  }

  /** Sends packets, together with what was held. @param hold let them wait for the next */
  async write(bytes: Buffer, cuts: readonly number[], hold: boolean): Promise<void> {
    this.#isWriting = true;
    let start = 0;
    for (const end of cuts) {
      this.#hold(bytes.subarray(start, end));
      this.flush();
      start = end;
      await nextTurn();
    }
    this.#hold(bytes.subarray(start));
    this.#isWriting = false;
    for (const answer of this.#answers.splice(0)) this.#hold(answer);
    if (!hold) this.flush();
  }

  /** Sends a packet at the end of this turn, but never inside another one. */
  answer(bytes: Buffer): void {
    if (this.#isWriting) this.#answers.push(bytes);
    else {
      this.#hold(bytes);
      if (!this.#isFlushing) setImmediate(() => this.flush());
      this.#isFlushing = true;
    }
  }

  /** Sends bytes that are no MQTT. */
  writeRaw(bytes: Buffer): void {
    this.#held.push(bytes);
    this.flush();
  }

  flush(): void {
    this.#isFlushing = false;
    const held = this.#held;
    this.#held = [];
    if (held.length > 0 && this.#socket.writable) this.#socket.write(Buffer.concat(held));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  halfClose(): void {
    this.flush();
    this.#socket.end();
  }

  reset(): void {
    this.flush();
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #hold(bytes: Buffer): void {
    this.#held.push(this.#reader ? maskedFrame(BINARY, bytes) : bytes);
  }

  #receive(chunk: Buffer): void {
    try {
      for (const bytes of this.#reader?.push(chunk) ?? [chunk]) if (bytes.length > 0) this.onBytes(bytes);
      if (this.#reader?.goodbye) this.writeRaw(maskedFrame(CLOSE, this.#reader.goodbye));
    } catch (error) {
      this.onFailure(error as Error);
    }
  }
}
