import { HydrantError } from '../../core/errors.ts';
import type { Chunk } from '../chunks.ts';

const CHUNK_BYTES = 1024 * 1024;
const MAX_LINE_BYTES = 512 * 1024 * 1024;

/** Cuts a stream, which begins at `offset`, at newlines. What was read before the source fails is given first. */
export async function* wholeLines(source: AsyncIterable<Buffer>, offset = 0): AsyncGenerator<Chunk> {
  let parts: Buffer[] = [];
  let held = 0;
  const chunk = (bytes: Buffer, ends: boolean): Chunk => ({ bytes, offset, trusted: false, ends, readBytes: bytes.length, inTime: false });
  let failure: unknown;
  try {
    for await (const bytes of source) {
      parts.push(bytes);
      held += bytes.length;
      const newline = bytes.lastIndexOf(10);
      if (held > MAX_LINE_BYTES) throw new HydrantError('HYD_OBJECT_DAMAGED', `a line has more than ${MAX_LINE_BYTES} bytes`);
      if (newline === -1 || held < CHUNK_BYTES) continue;
      const all = parts.length === 1 ? bytes : Buffer.concat(parts);
      const end = held - bytes.length + newline + 1;
      yield chunk(all.subarray(0, end), false);
      offset += end;
      parts = end < held ? [all.subarray(end)] : [];
      held -= end;
    }
  } catch (error) {
    failure = error;
  }
  if (held > 0) yield chunk(Buffer.concat(parts), failure === undefined);
  if (failure) throw failure;
}
