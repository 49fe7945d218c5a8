import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Hold } from '../journal/holds.ts';
import type { SegmentInfo } from '../journal/segment.ts';
import type { ObjectStore, ReadableStore } from '../storage/store.ts';
import type { Manifest } from '../wire/manifest.ts';
import type { ExcludeOptions } from './exclude.ts';
import type { Codec } from './keys.ts';

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

/** Sequences of one epoch. */
export interface SeqPart {
  journal: string;
  epoch: string;
  first: number;
  last: number;
}

/** What the sealer needs of those who take its objects to another store. */
export interface Uploads {
  /** Tells of an object that is whole in the local store, by its key without an ending. */
  add(base: string): void;
  /** Tells of objects whose names are not known here. */
  rescan(): Promise<void>;
  /** What is in the other store, from a sequence on. */
  parts(journal: string, fromSeq: number): Promise<SeqPart[]>;
}

export interface SealerOptions {
  journal: SealableJournal;
  /** Where sealed objects go. */
  store: ObjectStore;
  /** `store` and where its objects go from there, as one. Default: `store`. */
  stored?: ReadableStore;
  uploads?: Uploads;
  /** Told of each object, before the journal lets go of its events; `fromMs` is the begin of its hour. */
  onSealed?: (manifest: Manifest, fromMs: number) => void;
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
  /** Topics that an index tells apart. Default 250 000. */
  maxTopics?: number;
  /** Bytes of closed segments above which sealing gives way to nothing any more, until half of them are sealed. Default 1 GiB. */
  behindBytes?: number;
  /** How often days are closed. Default 30 s. */
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
  /** Of the last failure; empty since a success. */
  lastError: string;
}
