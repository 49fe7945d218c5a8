import { createGunzip } from 'node:zlib';
import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import { unpackFirstFrame } from '../codec.ts';
import type { Codec } from '../keys.ts';

const MAX_FRAME_BYTES = 1024 * 1024 * 1024;
const MAX_QUEUED = 64;

/**
 * Unpacks an object of which no block table is known: gzip of any number of members, zstd of any number of frames.
 * All that can be unpacked is given before damage is told of.
 * @throws HYD_OBJECT_DAMAGED for an object that is cut off or broken, and what the source throws
 */
export function unpackStream(packed: AsyncIterable<Buffer>, codec: Codec | 'plain'): AsyncIterable<Buffer> {
  if (codec === 'plain') return packed;
  return codec === 'gzip' ? unpackGzip(packed) : unpackZstd(packed);
}

async function* unpackGzip(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  const queue: Buffer[] = [];
  let fault: unknown;
  let done = false;
  let wake = (): void => {};
  let feed = (): void => {};
  const ended = (error?: unknown): void => {
    fault ??= error;
    done = true;
    wake();
    feed();
  };
  gunzip.on('data', (chunk: Buffer) => {
    queue.push(chunk);
    if (queue.length >= MAX_QUEUED) gunzip.pause();
    wake();
  });
  gunzip.once('end', ended).once('error', ended).once('close', ended);
  const feeding = (async () => {
    for await (const chunk of packed) {
      if (done) return;
      // Each chunk is through before the end is announced: what the last call gives is lost when that call finds the end missing.
      await new Promise<void>((resolve) => {
        feed = resolve;
        gunzip.write(chunk, () => resolve());
        if (done) resolve();
      });
    }
    gunzip.end();
  })().catch(ended);
  try {
    for (;;) {
      const chunk = queue.shift();
      if (chunk) {
        yield chunk;
        continue;
      }
      if (done) break;
      gunzip.resume();
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (queue.length > 0 || done) resolve();
      });
    }
    if (fault) throw damaged(fault);
  } finally {
    done = true;
    feed();
    gunzip.destroy();
    await feeding;
  }
}

async function* unpackZstd(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of packed) {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    while (rest.length > 0) {
      let frame: { buffer: Buffer; bytes: number };
      try {
        frame = unpackFirstFrame(rest, MAX_FRAME_BYTES);
      } catch (error) {
        if (systemCode(error) === 'Z_BUF_ERROR') break;
        throw damaged(error);
      }
      yield frame.buffer;
      rest = rest.subarray(frame.bytes);
    }
  }
  if (rest.length > 0)
    throw new HydrantError('HYD_OBJECT_DAMAGED', `the object is cut off: its last frame has ${rest.length} bytes and no end`);
}

function damaged(cause: unknown): HydrantError {
  if (cause instanceof HydrantError) return cause;
  const why = systemCode(cause) === 'Z_BUF_ERROR' ? 'it is cut off' : errorText(cause);
  return new HydrantError('HYD_OBJECT_DAMAGED', `the object cannot be unpacked to its end: ${why}`, { cause });
}
