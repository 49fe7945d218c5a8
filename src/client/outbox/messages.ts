import type { ErrorCode } from '../../core/errors.ts';
import type { ChannelState, DroppedRange, DropReason } from './outbox.ts';

/** What the two threads of an outbox tell each other. Events cross as one block of bytes, never one by one. */
export type Request =
  | CommitRequest
  | { kind: 'bounds'; channel: string; maxEvents: number; maxBytes: number; keepsOrder: boolean }
  | { kind: 'read'; channel: string; afterSeq: number; maxEvents: number; maxBytes: number }
  | { kind: 'quarantined'; afterSeq: number; maxEvents: number; maxBytes: number }
  /** The oldest of a channel above a place, until so many events and bytes are together. */
  | { kind: 'oldest'; channel: string; afterSeq: number; events: number; bytes: number }
  /** What is past its time: `ages` has the time of storing before which a channel's events are too old. */
  | { kind: 'due'; nowMs: number; ages: [channel: string, beforeMs: number][]; maxEvents: number }
  | { kind: 'note'; name: string }
  | { kind: 'dropped' }
  | { kind: 'poll' }
  | { kind: 'close' };

/** One transaction: first what goes, then what is done, then what comes. */
export interface CommitRequest {
  kind: 'commit';
  /** How many commits the main thread knows to have left something out; else it is stale, and nothing is done. */
  epoch: number;
  nowMs: number;
  /** Pairs of first and last. */
  removed: Float64Array;
  /** Of these, what leaves unsent, for those who wait in other processes. */
  dropped: DroppedRange[];
  changes: Change[];
  puts: PutBlock | undefined;
}

/** Events one after the other: length of the record (4 bytes), number of the channel in `channels` (4 bytes), the record. */
export interface PutBlock {
  buffer: ArrayBuffer;
  count: number;
  channels: string[];
  /** Of the few that have it, by their place in the block. */
  extras: Extra[];
}

interface Extra {
  index: number;
  expiresMs: number | undefined;
  key: string | undefined;
  /** Others of this key are looked for, to be dropped. */
  replaces: boolean;
}

export type Change =
  | { kind: 'attempts'; seq: number; attempts: number }
  | { kind: 'quarantine'; seq: number; reason: string }
  | { kind: 'retry'; seq: number }
  | { kind: 'drop'; seq: number; reason: DropReason }
  | { kind: 'note'; name: string; value: Uint8Array | undefined }
  /** Unless there is one. */
  | { kind: 'first-note'; name: string; value: Uint8Array }
  /** Asks who sends to make room in a channel, unless it holds less by now than was `seen`. */
  | { kind: 'want'; channel: string; events: number; bytes: number; seen: number };

/** An event by its names. */
export interface Brief {
  seq: number;
  id: string;
  channel: string;
  topic: string;
}

/** Records as bytes, one after the other, and beside them what is not in the bytes. */
export interface RecordBlock {
  buffer: ArrayBuffer;
  seqs: number[];
  lengths: number[];
  storedMs: number[];
  attempts: number[];
  extras: { index: number; expiresMs: number | undefined; key: string | undefined }[];
}

export interface QuarantineBlock extends RecordBlock {
  channels: string[];
  reasons: string[];
  quarantinedMs: number[];
}

/** What became of a change: whether it was there, what was dropped, what was put back. */
export type ChangeResult = boolean | Brief | Retried | undefined;

export interface Retried {
  channel: string;
  block: RecordBlock;
}

export interface PutResult {
  /** The first place that each channel of the block was given. */
  firsts: number[];
  /** Those of the block, by place, for which there was no room. */
  refused: number[];
  /** Others of the same key. */
  replaced: Brief[];
  /** Some of these keep their order, so commits on their way are stale. */
  leftOut: boolean;
}

export interface CommitResult extends PutResult {
  changes: ChangeResult[];
}

export interface OldestResult {
  briefs: Brief[];
  /** Of each. */
  bytes: number[];
}

export interface DueResult {
  expired: Brief[];
  aged: Brief[];
}

/** A channel as the database has it. */
export interface ChannelReport extends ChannelState {
  name: string;
  /** Its places: from `first` to before `end`. */
  first: number;
  end: number;
  /** What others ask who sends to make room for. */
  wanted: { events: number; bytes: number };
}

/** A failure, with SQLite's own number of it. */
export interface Failure {
  message: string;
  sqlite: number | undefined;
  /** Of an error of ours. */
  code?: ErrorCode;
  fix?: string;
  /** Of the operating system, such as EACCES. */
  system?: string;
}

export interface Reply {
  failure?: Failure;
  /** A commit that came after one that left something out: not done. */
  stale?: boolean;
  /** Channels that have changed since the reply before. */
  reports: ChannelReport[];
  /** Of these, which were changed by another process. */
  foreign: string[];
  result?: unknown;
  /** Of the block that was put, to be used again. */
  spare?: ArrayBuffer;
}
