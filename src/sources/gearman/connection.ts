import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { HydrantError } from '../../core/errors.ts';
import { COMMAND, encodeRequest, type GearmanPacket, PacketReader } from './packet.ts';

export interface GearmanServer {
  host: string;
  port: number;
}

export interface ConnectionOptions {
  /** After so long without a byte the server is asked for a sign of life, and given as long again, milliseconds. */
  silenceMs: number;
  signal: AbortSignal;
}

const CONNECT_MS = 10_000;
/** The largest job; a job's data is an address and some fields. */
const MAX_PACKET_BYTES = 16 * 1024 * 1024;
/** A server answers questions, it sends nothing of its own but NOOP: beyond this it is no server. */
const MAX_WAITING = 100;

/**
 * Connects to a gearman server.
 * @throws HYD_SOURCE when it cannot be reached
 */
export async function connectGearman(server: GearmanServer, options: ConnectionOptions): Promise<GearmanConnection> {
  const { host, port } = server;
  const socket = connect({ host, port, keepAlive: true, keepAliveInitialDelay: 30_000, noDelay: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([options.signal, AbortSignal.timeout(CONNECT_MS)]) });
  } catch (error) {
    socket.destroy();
    const why = (error as Error).name === 'AbortError' ? `no answer within ${CONNECT_MS / 1000} s` : (error as Error).message;
    throw new HydrantError('HYD_SOURCE', `the gearman server ${host}:${port} cannot be reached: ${why}`, {
      cause: error,
      fix: `Check that gearmand runs and listens at ${host}:${port}.`,
    });
  }
  return new GearmanConnection(socket, `${host}:${port}`, options);
}

/** A connection to one server: packets one after the other. It is over with the first fault. */
export class GearmanConnection implements Disposable {
  readonly address: string;
  readonly #socket: Socket;
  readonly #silenceMs: number;
  readonly #reader = new PacketReader(MAX_PACKET_BYTES);
  readonly #ended = new AbortController();
  readonly #unlisten: () => void;
  #waiting: GearmanPacket[] = [];
  #wake: (() => void) | undefined;
  #heardMs = performance.now();

  constructor(socket: Socket, address: string, { silenceMs, signal }: ConnectionOptions) {
    this.#socket = socket;
    this.address = address;
    this.#silenceMs = silenceMs;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.fail(error.message));
    socket.on('close', () => this.fail('it closed the connection'));
    const onAbort = (): void => this.fail('stopped');
    signal.addEventListener('abort', onAbort);
    this.#unlisten = () => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  }

  /** Aborted when the connection is over; its reason is an HYD_SOURCE. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  send(command: number, ...args: readonly (string | Uint8Array)[]): void {
    this.#ended.signal.throwIfAborted();
    this.#socket.write(encodeRequest(command, ...args));
  }

  /**
   * Resolves once the system has taken all that was sent, without a word whether it arrived.
   * @throws HYD_SOURCE when the connection is over
   */
  async sent(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#ended.signal.addEventListener('abort', () => resolve(), { once: true });
      this.#socket.write('', () => resolve());
    });
    this.#ended.signal.throwIfAborted();
  }

  /**
   * The next packet, in time or after a sign of life.
   * @throws HYD_SOURCE when the connection is over
   */
  async receive(): Promise<GearmanPacket> {
    for (;;) {
      const packet = this.#waiting.shift();
      if (packet?.command === COMMAND.ERROR) this.fail(`it says: ${errorOf(packet.data)}`);
      this.#ended.signal.throwIfAborted();
      if (packet && packet.command !== COMMAND.ECHO_RES) return packet;
      if (!packet) await this.#sign();
    }
  }

  /** Asks for a sign of life, and resolves with it. @throws HYD_SOURCE without one */
  async echo(): Promise<void> {
    this.send(COMMAND.ECHO_REQ, 'hydrant');
    for (;;) {
      this.#ended.signal.throwIfAborted();
      if (this.#waiting.shift()?.command === COMMAND.ECHO_RES) return;
      await this.#sign(false);
    }
  }

  /** Ends the connection. @param isJunk what came was not gearman's protocol */
  fail(why: string, isJunk = false): void {
    if (this.#ended.signal.aborted) return;
    this.#unlisten();
    this.#socket.destroy();
    this.#waiting = [];
    this.#ended.abort(new GearmanFault(`the gearman server ${this.address}: ${why}`, isJunk));
    this.#wake?.();
  }

  [Symbol.dispose](): void {
    this.fail('stopped');
  }

  /** Resolves when something came or the connection is over. */
  async #sign(mayAsk = true): Promise<void> {
    const heardMs = this.#heardMs;
    if (await this.#heard()) return;
    if (mayAsk) {
      this.send(COMMAND.ECHO_REQ, 'hydrant');
      if (await this.#heard()) return;
    }
    this.fail(`no sign of life for ${Math.round(performance.now() - heardMs)} ms`);
  }

  #heard(): Promise<boolean> {
    if (this.#waiting.length > 0 || this.#ended.signal.aborted) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (heard: boolean): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve(heard);
      };
      const timer = setTimeout(() => settle(false), this.#silenceMs);
      this.#wake = () => settle(true);
    });
  }

  #take(bytes: Buffer): void {
    this.#heardMs = performance.now();
    try {
      this.#waiting.push(...this.#reader.push(bytes));
    } catch (error) {
      this.fail((error as Error).message, true);
      return;
    }
    if (this.#waiting.length > MAX_WAITING) this.fail('it sends without being asked', true);
    this.#wake?.();
  }
}

/** Why a connection to a gearman server is over. */
export class GearmanFault extends HydrantError {
  /** What came was not gearman's protocol. */
  readonly isJunk: boolean;

  constructor(message: string, isJunk: boolean) {
    super('HYD_SOURCE', message, { fix: 'Check the gearman server and what is between it and here; a new connection is made by itself.' });
    this.isJunk = isJunk;
  }
}

function errorOf(data: Buffer): string {
  return JSON.stringify(data.toString('latin1', 0, 200).replaceAll('\0', ' '));
}
