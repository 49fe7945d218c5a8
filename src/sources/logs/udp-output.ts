import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { systemCode } from '../../core/errors.ts';
import { type LineOutput, type OutputContext, type OutputPlace, outputFault } from './output.ts';

type UdpPlace = Extract<OutputPlace, { host: string }>;

/** A datagram for each line. @throws HYD_SOURCE for a name that cannot be found */
export async function openUdpOutput(place: UdpPlace, context: OutputContext): Promise<LineOutput> {
  try {
    const { address, family } = await lookup(place.host);
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    const output = new UdpOutput(socket, place, context);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(place.port, address, resolve);
    });
    return output;
  } catch (error) {
    throw outputFault(place, (error as Error).message, error);
  }
}

/** The network says nothing of datagrams that are lost; where nobody listens on the far machine, it does. */
class UdpOutput implements LineOutput {
  readonly #socket: Socket;
  readonly #place: UdpPlace;
  readonly #context: OutputContext;
  #fault: Error | undefined;

  constructor(socket: Socket, place: UdpPlace, context: OutputContext) {
    this.#socket = socket;
    this.#place = place;
    this.#context = context;
    socket.on('error', (error) => (this.#fault ??= error));
  }

  async send(line: string): Promise<void> {
    this.#assertSound();
    await new Promise<void>((resolve) => {
      this.#socket.send(line, (error) => {
        if (error && systemCode(error) === 'EMSGSIZE')
          this.#context.refused('a line is too long for a datagram', { bytes: Buffer.byteLength(line) });
        else if (error) this.#fault ??= error;
        resolve();
      });
    });
    this.#assertSound();
  }

  async finish(): Promise<void> {
    this.#assertSound();
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #assertSound(): void {
    this.#context.signal.throwIfAborted();
    if (this.#fault) throw outputFault(this.#place, this.#fault.message, this.#fault);
  }
}
