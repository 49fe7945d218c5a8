import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/**
 * Unpacks what begins as gzip does; all else passes. Whether a server packs on the way, or its file is packed, is told by neither its name nor its headers.
 */
export async function* unpacked(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const pieces = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let isDone = false;
  while (head.length < 2 && !isDone) {
    const { value, done } = await pieces.next();
    isDone = done === true;
    if (value) head = Buffer.concat([head, value]);
  }
  const all = joined(head, pieces);
  if (head[0] !== 0x1f || head[1] !== 0x8b) {
    yield* all;
    return;
  }
  // `pipeline` hands the source's errors on; they are thrown by the loop over its end.
  yield* pipeline(Readable.from(all), createGunzip(), () => {}) as unknown as AsyncIterable<Buffer>;
}

/** Passes so many bytes and throws at the first more. */
export async function* bounded<Piece extends Uint8Array>(
  bytes: AsyncIterable<Piece>,
  maxBytes: number,
  fault: () => Error,
): AsyncGenerator<Piece> {
  let count = 0;
  for await (const piece of bytes) {
    count += piece.length;
    if (count > maxBytes) throw fault();
    yield piece;
  }
}

async function* joined(head: Buffer, pieces: AsyncIterator<Uint8Array>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    for (let next = await pieces.next(); !next.done; next = await pieces.next())
      yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
  } finally {
    await pieces.return?.();
  }
}
