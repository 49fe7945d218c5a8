import type { Client } from '../../client/client.ts';
import { HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { Repeats } from '../../core/repeats.ts';
import { topicFault } from '../../wire/topic.ts';
import type { EventCheck } from '../catalogue/event-check.ts';
import type { Cursor, Published, SourceContext, SourceEvent, SourceGap } from '../source.ts';
import { joinTopic } from '../topic.ts';
import type { Publishing } from './publishing.ts';
import type { SourceCounts } from './source-status.ts';

export interface ContextParts {
  name: string;
  folder: string;
  client: Pick<Client, 'flush'>;
  publishing: Publishing;
  cursor: Cursor;
  counts: SourceCounts;
  check: EventCheck;
  /** Refuse what does not match its schema; else it is published and counted. */
  strict: boolean;
  /** Whoever sent an event is told that it was refused; else it is left out, and said to be missing. */
  tellsSender: boolean;
  unsent: readonly string[] | undefined;
  log: Log;
  now: () => number;
  random: () => number;
}

/** Of refusals of one kind a line at once, and then the number of further ones at most this often. */
const REPEAT_MS = 10_000;
const GAP_SCHEMA = 'source.gap';

/** What a source is given, on top of a client. */
export class Context implements SourceContext {
  readonly name: string;
  readonly folder: string;
  readonly unsent: readonly string[] | undefined;
  readonly cursor: Cursor;
  readonly log: Log;
  readonly now: () => number;
  readonly random: () => number;
  readonly #parts: ContextParts;
  readonly #repeats = new Repeats(REPEAT_MS);

  constructor(parts: ContextParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.folder = parts.folder;
    this.unsent = parts.unsent;
    this.cursor = parts.cursor;
    this.log = parts.log;
    this.now = parts.now;
    this.random = parts.random;
    parts.publishing.onRefused = async (event, error) => (await this.#leaveOut(event, error))?.stored;
  }

  async publish(event: SourceEvent): Promise<Published> {
    const { check, counts, strict, publishing } = this.#parts;
    const fault = topicFault(event.topic);
    if (fault) return this.#refuse(event, new HydrantError('HYD_TOPIC', `topic ${JSON.stringify(event.topic)}: ${fault}`));
    const mismatch = event.schema === undefined ? undefined : check(event.schema, event.data, event.payload);
    if (mismatch !== undefined) {
      counts.mismatched++;
      // What says that events are missing is never missing itself.
      if (strict && event.schema !== GAP_SCHEMA) return this.#refuse(event, new HydrantError('HYD_SCHEMA', `${event.topic}: ${mismatch}`));
      this.#note('does not match its schema', { topic: event.topic, schema: event.schema, why: mismatch });
    }
    const published = await publishing.publish(event);
    counts.published++;
    counts.eventMs = counts.seenMs = this.now();
    return published;
  }

  stored(): Promise<void> {
    return this.#parts.publishing.stored();
  }

  async flushed(): Promise<void> {
    const { client } = this.#parts;
    await this.stored();
    const { remaining } = await client.flush();
    if (remaining > 0) throw new HydrantError('HYD_CLOSED', `the source ${this.name} was closed before the bus had acknowledged all`);
  }

  async gap(gap: SourceGap): Promise<void> {
    await this.#publishGap(gap);
  }

  refused(reason: string, fields: Record<string, unknown> = {}): void {
    const { refused } = this.#parts.counts;
    refused.set(reason, (refused.get(reason) ?? 0) + 1);
    this.#note(reason, fields);
  }

  up(): void {
    this.#parts.counts.upSinceMs ??= this.now();
    this.seen();
  }

  seen(lagMs?: number): void {
    this.#parts.counts.seenMs = this.now();
    if (lagMs !== undefined) this.#parts.counts.lagMs = Math.max(0, lagMs);
  }

  async #publishGap({ base, ...gap }: SourceGap): Promise<Published> {
    this.#parts.counts.gaps++;
    this.log('warn', 'events are missing that the upstream cannot give again', { ...gap });
    const data = { source: this.name, ...gap };
    return this.publish({ topic: joinTopic(base, '$gap'), payload: JSON.stringify(data), schema: GAP_SCHEMA, data, time: gap.until });
  }

  async #refuse(event: SourceEvent, error: HydrantError): Promise<Published> {
    if (this.#parts.tellsSender) throw error;
    await this.#leaveOut(event, error);
    return { id: event.id ?? '', stored: Promise.resolve(), acked: Promise.resolve(), isRefused: true };
  }

  /** The source goes on with the next: this one would be refused each time. @returns the gap that stands for it */
  async #leaveOut(
    { topic, schema }: { topic: string; schema?: string | undefined },
    { code, message }: HydrantError,
  ): Promise<Published | undefined> {
    this.refused(code === 'HYD_SCHEMA' ? 'does not match its schema and is left out' : 'cannot be published', { topic, error: message });
    if (this.#parts.tellsSender || schema === GAP_SCHEMA) return undefined;
    const until = new Date(this.now()).toISOString();
    const base = topicFault(topic) ? this.name : topic;
    return this.#publishGap({ base, reason: 'refused', until, detail: message });
  }

  #note(reason: string, fields: Record<string, unknown>): void {
    const more = this.#repeats.take(reason, this.now());
    if (more !== undefined) this.log('warn', reason, { ...fields, ...(more > 0 && { more }) });
  }
}
