import type { Transport } from '../mqtt/transport.ts';

/** A transport without a socket: a test plays the peer and the kernel. */
export class MemoryTransport implements Transport {
  readonly kind = 'mqtt';
  readonly remote = '127.0.0.1:1';
  readonly address = '127.0.0.1';
  onData: Transport['onData'] = () => {};
  onFault: Transport['onFault'] = () => {};
  onClose: Transport['onClose'] = () => {};
  /** Each call of `write`, its pieces. */
  readonly writes: Uint8Array[][] = [];
  bufferedBytes = 0;
  progress = 0;
  paused = false;
  ended = false;
  destroyed = false;
  /** False: writes wait until `take()`. */
  kernelTakes = true;
  readonly #waiting: (() => void)[] = [];

  write(pieces: readonly Uint8Array[], onWritten: () => void): void {
    this.writes.push(pieces.map((piece) => piece));
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.bufferedBytes += bytes;
    this.#waiting.push(() => {
      this.bufferedBytes -= bytes;
      this.progress += bytes;
      onWritten();
    });
    if (this.kernelTakes) this.take();
  }

  /** The kernel takes the oldest `count` writes. */
  take(count = this.#waiting.length): void {
    for (const done of this.#waiting.splice(0, count)) done();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.onClose();
  }
}
