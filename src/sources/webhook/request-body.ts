import type { IncomingMessage } from 'node:http';
import { HydrantError } from '../../core/errors.ts';

/** Bytes of bodies in memory at a time, of all requests together. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

/** Reads the bodies of requests, with a bound on each and on all. */
export class RequestBodies {
  readonly #maxHeldBytes: number;
  #heldBytes = 0;

  constructor(maxHeldBytes = MAX_HELD_BYTES) {
    this.#maxHeldBytes = maxHeldBytes;
  }

  /**
   * The body counts as held until the release is called, also when this throws.
   * @throws HYD_TOO_LARGE and HYD_BUSY before the rest is read; HYD_ABORTED when the sender ends before the body does
   */
  async read(request: IncomingMessage, maxBytes: number): Promise<Disposable & { bytes: Buffer }> {
    const chunks: Buffer[] = [];
    let held = 0;
    const release = (): void => {
      this.#heldBytes -= held;
      held = 0;
    };
    try {
      await new Promise<void>((resolve, reject) => {
        const tooLarge = new HydrantError('HYD_TOO_LARGE', 'a body is too large', {
          fix: `Send ${maxBytes} bytes at most, or raise \`maxBody\`.`,
        });
        if (Number(request.headers['content-length'] ?? 0) > maxBytes) return reject(tooLarge);
        let isOver = false;
        const fail = (error: HydrantError): void => {
          isOver = true;
          reject(error);
        };
        request.on('data', (chunk: Buffer) => {
          if (isOver) return;
          held += chunk.length;
          this.#heldBytes += chunk.length;
          chunks.push(chunk);
          if (held > maxBytes) fail(tooLarge);
          else if (this.#heldBytes > this.#maxHeldBytes) fail(new HydrantError('HYD_BUSY', 'too many large bodies at a time'));
        });
        request.once('end', resolve);
        const onCut = (): void => fail(new HydrantError('HYD_ABORTED', 'a body ended before its time'));
        request.once('error', onCut).once('close', onCut);
      });
    } catch (error) {
      release();
      throw error;
    }
    return { bytes: Buffer.concat(chunks), [Symbol.dispose]: release };
  }
}
