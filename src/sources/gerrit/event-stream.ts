import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientChannel } from 'ssh2';
import { errorText, HydrantError } from '../../core/errors.ts';

/** What the server said on its error output is kept for the message, as much as this. */
const MAX_ERROR_CHARACTERS = 1000;
/** After its last byte a server has so long to say why. */
const LAST_WORDS_MS = 1000;
/** So often in the time of silence it is looked whether anything came. */
const LOOKS = 8;

export interface EventStreamParts {
  socket: Socket;
  client: Client;
  /** Without an answer and without an event the connection counts as dead, milliseconds. */
  silenceMs: number;
  now: () => number;
  /** Told, later than that, when the upstream was there. */
  onAlive: (ms: number) => void;
}

/** `gerrit stream-events` at work. */
export class EventStream implements AsyncDisposable {
  readonly #parts: EventStreamParts;
  readonly #channel: ClientChannel;
  readonly #timer: NodeJS.Timeout;
  /** Why it ended comes after its last byte. */
  readonly #closed: Promise<void>;
  #said = '';
  #exit: string | undefined;
  #failure: unknown;

  constructor(parts: EventStreamParts, channel: ClientChannel) {
    this.#parts = parts;
    this.#channel = channel;
    channel.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-MAX_ERROR_CHARACTERS);
    });
    channel.on('exit', (code: number | null, signal?: string) => {
      this.#exit = code === null ? `signal ${signal}` : `exit status ${code}`;
    });
    parts.client.on('error', (error) => this.fail(error));
    this.#closed = new Promise((resolve) => {
      channel.once('close', () => resolve());
      parts.client.once('close', () => resolve());
    });
    this.#timer = this.#watch();
  }

  /** The bytes of the stream until it ends, for whatever reason: `ending` says for which. */
  chunks(): AsyncIterable<Buffer> {
    return this.#channel;
  }

  /** Ends it. The first reason counts. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#parts.socket.destroy();
  }

  async ending(): Promise<HydrantError> {
    await Promise.race([this.#closed, sleep(LAST_WORDS_MS, undefined, { ref: false })]);
    if (this.#failure instanceof HydrantError) return this.#failure;
    const said = this.#said.trim().split('\n').at(-1);
    const why = this.#failure === undefined ? [this.#exit, said].filter(Boolean).join(', ') : errorText(this.#failure);
    const isRefused = /not permitted|capability|unavailable|not found/i.test(said ?? '');
    return new HydrantError('HYD_SOURCE', `the stream of events ended: ${why || 'the server closed it'}`, {
      cause: this.#failure,
      ...(isRefused && { fix: 'Give the account the global capability "Stream Events" in Gerrit, under All-Projects, Access.' }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#parts.client.end();
    this.#parts.socket.destroy();
  }

  #watch(): NodeJS.Timeout {
    const { socket, silenceMs, now, onAlive } = this.#parts;
    let bytes = socket.bytesRead;
    let heardMs = now();
    let lookedMs = heardMs;
    return setInterval(() => {
      if (socket.bytesRead !== bytes) {
        bytes = socket.bytesRead;
        heardMs = lookedMs;
        onAlive(heardMs);
      } else if (now() - heardMs > silenceMs) {
        this.fail(
          new HydrantError('HYD_SOURCE', `nothing was heard of the server for ${now() - heardMs} ms, not even an answer to a keepalive`),
        );
      }
      lookedMs = now();
    }, silenceMs / LOOKS);
  }
}

/** @throws HYD_SOURCE */
export async function startStream(parts: EventStreamParts, types: readonly string[]): Promise<EventStream> {
  const command = ['gerrit stream-events', ...types.map((type) => `-s ${type}`)].join(' ');
  try {
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      parts.client.once('error', reject);
      parts.client.exec(command, (error, opened) => (error ? reject(error) : resolve(opened)));
    });
    return new EventStream(parts, channel);
  } catch (error) {
    parts.client.on('error', () => {}).destroy();
    parts.socket.destroy();
    throw new HydrantError('HYD_SOURCE', `the server does not run \`${command}\`: ${errorText(error)}`, {
      cause: error,
      fix: "Check that `port` is that of Gerrit, not that of the system's own sshd, and try the command with ssh.",
    });
  }
}
