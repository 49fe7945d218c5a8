import type { ReadableStore } from '../../storage/store.ts';

/** Of two blocks nearer to each other than this, what is between them is read too. */
const GAP_BYTES = 64 * 1024;
/** A search that ends early has not read much; a long one reads in large pieces. */
const FIRST_BYTES = 512 * 1024;
const MAX_BYTES = 4 * 1024 * 1024;
const AHEAD = 2;

interface StoredBlock {
  offset: number;
  bytes: number;
}

interface Span<B> {
  blocks: B[];
  start: number;
  end: number;
}

/**
 * The stored bytes of blocks, in their order: neighbours in one request, and the next requests under way while one is worked on, so that a
 * store far away does not set the pace. The first request leaves at once.
 */
export function readAhead<B extends StoredBlock>(
  store: Pick<ReadableStore, 'get'>,
  key: string,
  blocks: readonly B[],
): AsyncIterable<{ block: B; packed: Buffer }> {
  const spans = spansOf(blocks);
  const get = ({ start, end }: Span<B>): Promise<Buffer> => {
    const bytes = store.get(key, { start, end });
    // Whether it failed is asked when its turn has come.
    bytes.catch(() => {});
    return bytes;
  };
  const reading = spans.slice(0, 1).map(get);
  return (async function* () {
    for (const [i, span] of spans.entries()) {
      const bytes = await reading[i]!;
      while (reading.length < Math.min(spans.length, i + 1 + AHEAD)) reading.push(get(spans[reading.length]!));
      delete reading[i];
      for (const block of span.blocks) {
        const from = block.offset - span.start;
        yield { block, packed: bytes.subarray(from, from + block.bytes) };
      }
    }
  })();
}

function spansOf<B extends StoredBlock>(blocks: readonly B[]): Span<B>[] {
  const spans: Span<B>[] = [];
  let limit = FIRST_BYTES;
  for (const block of blocks) {
    const span = spans.at(-1);
    const end = block.offset + block.bytes;
    const isNear = span && block.offset >= span.end && block.offset - span.end <= GAP_BYTES;
    if (isNear && end - span.start <= limit) {
      span.blocks.push(block);
      span.end = end;
    } else {
      if (span) limit = Math.min(MAX_BYTES, limit * 2);
      spans.push({ blocks: [block], start: block.offset, end });
    }
  }
  return spans;
}
