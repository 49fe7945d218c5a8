import type { z } from 'zod';
import type { Log } from '../core/log.ts';
import type { EventSchema } from './schema.ts';

/** Something outside whose events are published on the bus. One folder each; `registry.ts` lists them. */
export interface SourceKind<Options = unknown> {
  /** As in `hydrant source NAME`. */
  readonly name: string;
  readonly summary: string;
  /** Each option with its description: the flags of the command, the keys of the configuration and the docs are made from it. */
  readonly options: z.ZodType<Options>;
  /** Of what it publishes. */
  readonly schemas: readonly EventSchema[];
  /** Words behind `hydrant source NAME`, and what they do. */
  readonly examples: readonly (readonly [words: string, what: string])[];
  /** Key of a list that the words behind the options fill: `exec -- COMMAND ARG`. */
  readonly positional?: string;
  /** Whether it writes to standard output itself; log lines go elsewhere then. */
  writesStdout?(options: Options): boolean;
  /** What happens at the bound of the outbox: `wait` (default) reads no further; `reject` tells whoever sent the event. */
  readonly whenFull?: 'wait' | 'reject';
  /** Loads what is heavy, and only then. @throws HYD_CONFIG, HYD_USAGE for options that cannot work (a key that cannot be read) */
  open(options: Options, context: SourceContext): Promise<Source>;
}

/** A source with its options. */
export interface Source {
  /**
   * Connects, reads on from the cursor and publishes until it is aborted, or the upstream has ended for good (a file was read, a pipe was
   * closed); either resolves. What throws is told, counted, and run again after a random delay that grows up to a minute, and starts small again after
   * a run that was `up()` for ten seconds; only HYD_USAGE, HYD_CONFIG and an HYD_SOURCE that is not retryable end the source.
   */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Connects and says how far it comes: a step for each thing that can be wrong, then up to three events. Publishes nothing, moves nothing upstream.
   * Aborted while it waits for events it returns; before that it throws, or yields what failed.
   */
  test(signal: AbortSignal): AsyncIterable<TestStep>;
}

/** What `hydrant source test` shows. */
export type TestStep = { ok: true; what: string } | { ok: false; what: string; why: string; fix: string } | { event: SourceEvent };

/** An event on its way from a source to the bus. */
export interface SourceEvent {
  topic: string;
  payload: Uint8Array | string;
  /** Name of its schema, or undefined for what has none. */
  schema?: string;
  /** The payload as it was parsed, if it was: what is checked against the schema. */
  data?: unknown;
  /** The same each time that the same upstream event is read, so that readers can drop repeats: `eventId`. Default: a new one. */
  id?: string;
  /** Default `application/json`. */
  contentType?: string;
  /** When it happened, as the upstream says, RFC 3339. Default: not said. */
  time?: string;
  retain?: boolean;
}

/** Both settle; neither has to be listened to. */
export interface Published {
  readonly id: string;
  /** In the outbox, on disk. */
  readonly stored: Promise<void>;
  /** The bus has it. */
  readonly acked: Promise<unknown>;
  /** It was left out, as it would be each time; a gap says so. */
  readonly isRefused?: boolean;
}

/** A stretch that the upstream cannot give again: published on `<base>/$gap`, so that nobody takes the stream for complete. */
export interface SourceGap {
  /** Levels in front of `/$gap`. */
  base: string;
  /** `disconnected`, `dropped-output`, `unreadable`, `history-lost` …; a word. */
  reason: string;
  /** RFC 3339: the last moment that is known to be complete; undefined when nothing is known. */
  from?: string | undefined;
  until: string;
  /** For people. */
  detail?: string;
}

/** Where a source went on from, durable. Small values by name. After an event that could not be stored the next run finds what was saved last. */
export interface Cursor {
  get<T>(name: string): T | undefined;
  /** Saved once all that was published before it is stored, and not more often than needed; the last of a name counts. JSON. */
  set(name: string, value: unknown): void;
  /** Resolves once what was set so far is on disk. */
  saved(): Promise<void>;
}

/** What a source is given. */
export interface SourceContext {
  /** The instance: by default the name of its kind. */
  readonly name: string;
  /** Its own, for what a cursor is too small for. */
  readonly folder: string;
  /**
   * Of a kind with `whenFull: 'reject'`: ids of what an earlier process stored and the bus had not acknowledged, the newest 2 000 at least. By these it knows
   * what it has taken and died before it could say so.
   */
  readonly unsent?: readonly string[] | undefined;
  readonly cursor: Cursor;
  readonly log: Log;
  /**
   * Resolves as soon as there is room for the next event (1 000 may wait for the disk), so awaiting each call is all the flow control that is needed.
   * An event that does not match its schema is counted and published all the same, or refused with `strict`. A refused one, or one that can never be
   * published, is counted and left out, and a gap says so; of kinds with `whenFull: 'reject'` it is thrown instead, for who sent it.
   * @throws HYD_OUTBOX_FULL, HYD_OUTBOX, HYD_CLOSED, of this event or one before; with `whenFull: 'reject'` also HYD_TOPIC, HYD_SCHEMA
   */
  publish(event: SourceEvent): Promise<Published>;
  /** Resolves once all that was published so far is on disk, or left out. @throws what kept one from it */
  stored(): Promise<void>;
  /** Resolves once all that was published so far is acknowledged by the bus. @throws HYD_CLOSED when the source is closed before */
  flushed(): Promise<void>;
  gap(gap: SourceGap): Promise<void>;
  /** Something was not taken, or not as it was sent: counted by reason, the first of its kind and then a number is logged. */
  refused(reason: string, fields?: Record<string, unknown>): void;
  /** Connected and reading. */
  up(): void;
  /** A sign of life of the upstream, and how old what was read is, milliseconds, if that can be told. */
  seen(lagMs?: number): void;
  readonly now: () => number;
  readonly random: () => number;
}
