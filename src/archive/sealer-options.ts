import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Hold } from '../journal/holds.ts';
import type { SegmentInfo } from '../journal/segment.ts';
import type { ObjectStore } from '../storage/store.ts';
import type { ExcludeOptions } from './exclude.ts';
import type { Codec } from './keys.ts';
import type { RetentionOptions } from './retention.ts';

/** What the sealer needs of a journal. */
export interface SealableJournal {
  readonly id: string;
  /** Oldest first; the last may still be written. */
  readonly segments: readonly SegmentInfo[];
  readonly head: number;
  onClosed(listener: (segment: SegmentInfo) => void): () => void;
  hold(name: string): Hold;
  trim(): Promise<unknown>;
}

export interface SealerOptions {
  journal: SealableJournal;
  /** Where sealed objects go. */
  store: ObjectStore;
  /** Folder for files under way, emptied at start; best on the file system of the store. */
  workDir: string;
  /** `hive` (default): an object per segment. `daily`: those of a closed day put together as the seed program names them. */
  layout?: 'hive' | 'daily';
  /** Default gzip; `daily` is gzip always. */
  codec?: Codec;
  /** Default gzip 6, zstd 3. */
  level?: number;
  /** Uncompressed bytes of a block. Default 1 MiB. */
  blockBytes?: number;
  exclude?: ExcludeOptions;
  retention?: RetentionOptions;
  /** Topics that an index tells apart. Default 250 000. */
  maxTopics?: number;
  /** How often days are closed and old objects removed. Default 30 s. */
  checkMs?: number;
  clock?: Clock;
  log?: Log;
}

export interface SealerStatistics {
  /** Closed segments that wait. */
  pending: number;
  segments: number;
  events: number;
  excluded: number;
  damaged: number;
  rawBytes: number;
  bytes: number;
  failures: number;
  quarantined: number;
  days: number;
  removed: number;
  removedBytes: number;
  /** Of the last failure; empty since a success. */
  lastError: string;
}
