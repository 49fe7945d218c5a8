import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type LineOutput, type OutputContext, type OutputPlace, outputFault } from './output.ts';

const CONNECT_MS = 10_000;
/** For the far end to close too, after the last line. */
const CLOSE_MS = 30_000;

type TcpPlace = Extract<OutputPlace, { host: string }>;

/** A connection for the lines of one job. @throws HYD_SOURCE */
export async function openTcpOutput(place: TcpPlace, { signal }: OutputContext): Promise<LineOutput> {
  const socket = connect({ host: place.host, port: place.port, noDelay: true, keepAlive: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]) });
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw outputFault(
      place,
      (error as Error).name === 'AbortError' ? `no answer within ${CONNECT_MS / 1000} s` : (error as Error).message,
      error,
    );
  }
  return new TcpOutput(socket, place, signal);
}

/**
 * TCP itself does not say what the far end has read. Its end of the connection, after ours, does: a program that read all lines closes then, one that died or was
 * cut off does not, or resets.
 */
class TcpOutput implements LineOutput {
  readonly #socket: Socket;
  readonly #place: TcpPlace;
  readonly #over: Promise<void>;
  readonly #signal: AbortSignal;
  readonly #stop: () => void;
  #isEnding = false;
  #fault: string | undefined;
  #isOver = false;

  constructor(socket: Socket, place: TcpPlace, signal: AbortSignal) {
    this.#socket = socket;
    this.#place = place;
    this.#signal = signal;
    this.#stop = () => socket.destroy();
    signal.addEventListener('abort', this.#stop);
    socket.resume();
    socket.on('error', (error) => (this.#fault ??= error.message));
    socket.on('end', () => {
      if (!this.#isEnding) this.#fault ??= 'it closed the connection before the last line';
    });
    this.#over = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isOver = true;
        resolve();
      });
    });
  }

  async send(line: string): Promise<void> {
    this.#assertSound();
    if (this.#socket.write(line)) return;
    await Promise.race([once(this.#socket, 'drain').catch(() => {}), this.#over]);
    this.#assertSound();
  }

  async finish(): Promise<void> {
    this.#assertSound();
    this.#isEnding = true;
    this.#socket.end();
    const timer = setTimeout(() => {
      this.#fault ??= `it did not close the connection within ${CLOSE_MS / 1000} s after the last line`;
      this.#socket.destroy();
    }, CLOSE_MS);
    await this.#over;
    clearTimeout(timer);
    this.#signal.throwIfAborted();
    if (this.#fault !== undefined) throw outputFault(this.#place, this.#fault);
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#stop);
    this.#socket.destroy();
  }

  #assertSound(): void {
    this.#signal.throwIfAborted();
    if (this.#fault !== undefined || this.#isOver) throw outputFault(this.#place, this.#fault ?? 'the connection is closed');
  }
}
