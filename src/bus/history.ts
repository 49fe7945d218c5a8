import type { StoredEvent } from '../wire/event.ts';

/** What is no longer in the journal. The archive implements it; the program hands it to the broker. */
export interface History {
  /** Matching events with `fromSeq <= seq < toSeq`, in order, in batches. No filters: everything. */
  read(
    filters: readonly string[] | undefined,
    range: { fromSeq: number; toSeq: number; signal?: AbortSignal },
  ): AsyncIterable<StoredEvent[]>;
  /** The lowest sequence that arrived at or after a moment (milliseconds since 1970), undefined when nothing did. */
  seqAt(timeMs: number): Promise<number | undefined>;
}
