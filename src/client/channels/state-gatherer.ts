import type { OutboxRecord } from '../outbox/outbox.ts';
import type { ChannelContext } from './channel-context.ts';
import type { Gathered, Gatherer } from './gatherer.ts';
import { diffPatch } from './merge-patch.ts';
import { foldRecords, isPatch, type StateMemory } from './state-memory.ts';
import { arrayText, assertFits, documentText, elementsOf } from './state-text.ts';

/** An empty update, which has the whole document sent once more. */
export const WHOLE = '{}';

/** Makes one publish per interval of the updates that wait. Each update says by its key how it is sent, whatever mode the channel has now. */
export class StateGatherer implements Gatherer {
  readonly reach;
  onDue: () => void = () => {};
  /** Told the id of the last update of each publish. */
  onGathered: (id: string) => void = () => {};
  readonly #context: ChannelContext;
  readonly #memory: StateMemory;
  /** Ids of updates that are not to wait for the interval. */
  readonly #hurried = new Set<string>();
  #isLoaded = false;
  #isOut = false;
  #sentMs: number;
  /** When the first of what waits was seen. */
  #seenMs: number | undefined;

  constructor(context: ChannelContext, memory: StateMemory) {
    this.#context = context;
    this.#memory = memory;
    const { maxStateBytes, minStateIntervalMs } = context.profile.limits;
    this.reach = { maxEvents: 10_000, maxBytes: 2 * maxStateBytes };
    // The process before may have sent a moment ago.
    this.#sentMs = minStateIntervalMs > 0 ? context.now() : 0;
  }

  /** The update with this id, and what waits before it, goes as soon as the service allows. */
  hurry(id: string): void {
    this.#hurried.add(id);
    this.onDue();
  }

  /** It is settled. */
  calm(id: string): void {
    this.#hurried.delete(id);
  }

  waitMs(oldest: OutboxRecord, nowMs: number): number {
    if (!this.#isLoaded) {
      this.#load();
      return Number.POSITIVE_INFINITY;
    }
    // Asked again, so what was out is settled: the service counts from there at the latest.
    if (this.#isOut) this.#sentMs = nowMs;
    this.#isOut = false;
    // A clock that was set back makes nobody wait for longer than one interval.
    this.#sentMs = Math.min(this.#sentMs, nowMs);
    this.#seenMs = Math.min(this.#seenMs ?? nowMs, nowMs, oldest.storedMs);
    const { intervalMs } = this.#memory.settings;
    const dueMs =
      this.#hurried.size > 0
        ? this.#sentMs + this.#context.profile.limits.minStateIntervalMs
        : Math.max(this.#sentMs, this.#seenMs) + intervalMs;
    return Math.max(0, dueMs - nowMs);
  }

  gather(records: readonly OutboxRecord[], nowMs: number): Gathered {
    this.#isOut = true;
    this.#sentMs = nowMs;
    this.#seenMs = undefined;
    const { text, count } = isPatch(records[0]!) ? this.#document(records) : this.#array(records);
    const last = records[count - 1]!;
    for (const { id } of records.slice(0, count)) this.#hurried.delete(id);
    this.#memory.outSeq = Math.max(this.#memory.outSeq, last.seq);
    this.#memory.save();
    this.onGathered(last.id);
    const { topic, qos, contentType, id } = last;
    return { event: { id, topic, payload: Buffer.from(text), qos, retain: false, contentType }, count };
  }

  /** As many updates as fit; those that were out before go together again, so that the far end knows the repeat by its id. */
  #array(records: readonly OutboxRecord[]): { text: string; count: number } {
    const { profile } = this.#context;
    const repeated = records.filter(({ seq }) => seq <= this.#memory.outSeq).length;
    const texts: string[] = [];
    let bytes = Buffer.byteLength(arrayText([], profile));
    for (const record of repeated > 0 ? records.slice(0, repeated) : records) {
      const text = Buffer.from(record.payload).toString();
      bytes += Buffer.byteLength(elementsOf(text)) + (texts.length > 0 ? 1 : 0);
      if (isPatch(record) || (texts.length > 0 && bytes > profile.limits.maxStateBytes)) break;
      texts.push(text);
    }
    const text = arrayText(texts, profile);
    if (texts.length === 1) assertFits(text, JSON.parse(texts[0]!), 'the state update', profile);
    return { text, count: texts.length };
  }

  #document(records: readonly OutboxRecord[]): { text: string; count: number } {
    const end = records.findIndex((record) => !isPatch(record));
    const patches = end === -1 ? records : records.slice(0, end);
    const memory = this.#memory;
    if (patches[0]!.seq > memory.outSeq) memory.far = memory.document;
    const document = foldRecords(memory.document, patches);
    const isWhole = patches.some(({ payload }) => payload.length === WHOLE.length);
    const { form } = memory.settings;
    const content = form === 'changes' ? diffPatch(isWhole ? {} : memory.far, document) : document;
    const text = documentText(content, form, this.#context.profile);
    // What does not fit is set aside, and the document goes on without it.
    memory.expected = memory.document;
    assertFits(text, content, 'the state', this.#context.profile);
    memory.document = memory.expected = document;
    memory.lastId = patches.at(-1)!.id;
    return { text, count: patches.length };
  }

  #load(): void {
    this.#memory.load().then(
      () => {
        this.#isLoaded = true;
        this.onDue();
      },
      () => setTimeout(() => this.onDue(), RELOAD_MS).unref(),
    );
  }
}

/** A disk that fails is given this long. */
const RELOAD_MS = 1_000;
