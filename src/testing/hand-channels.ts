import type { Receipt } from '../bus/bus.ts';
import type { ChannelContext, ChannelRequest } from '../client/channels/channel-context.ts';
import { Channels } from '../client/channels/channels.ts';
import type { Gathered, Gatherer } from '../client/channels/gatherer.ts';
import { refused } from '../client/channels/refused.ts';
import type { Publication } from '../client/options.ts';
import type { ChannelBounds, OutboxRecord } from '../client/outbox/outbox.ts';
import type { Profile } from '../client/profiles/profile.ts';
import { HydrantError } from '../core/errors.ts';
import { createUlid } from '../core/id.ts';
import { silentLog } from '../core/log.ts';

/** What stays when a client is gone. */
export interface HandDisk {
  records: OutboxRecord[];
  notes: Map<string, Uint8Array>;
  lastSeq: number;
}

/** The channels of a client whose outbox, clock and connection are in the hands of the test. */
export class HandChannels {
  readonly channels: Channels;
  readonly disk: HandDisk;
  readonly bounds = new Map<string, ChannelBounds>();
  /** Every publish of the state channel, as the bus got it. */
  readonly sent: { id: string; topic: string; text: string }[] = [];
  nowMs: number;
  /** Set: storing fails with it. */
  failure: HydrantError | undefined;
  #gatherer: Gatherer | undefined;
  #out: OutboxRecord[] = [];
  readonly #waiting = new Map<number, PromiseWithResolvers<Receipt>>();
  readonly #listeners: (() => void)[] = [];

  constructor(profile: Profile, { disk, nowMs = 1_000_000 }: { disk?: HandDisk; nowMs?: number } = {}) {
    this.disk = disk ?? { records: [], notes: new Map(), lastSeq: 0 };
    this.nowMs = nowMs;
    const { notes } = this.disk;
    const context: ChannelContext = {
      profile,
      bounds: {},
      log: silentLog,
      outbox: {
        channels: this.#counts,
        configure: (channel, bounds) => void this.bounds.set(channel, bounds),
        read: async (channel, afterSeq) => this.waiting(channel).filter(({ seq }) => seq > afterSeq),
        getNote: async (name) => notes.get(name),
        setNote: async (name, value) => void (value ? notes.set(name, value) : notes.delete(name)),
      },
      publish: (request) => this.#publish(request),
      gatherWith: (_channel, gatherer) => {
        this.#gatherer = gatherer;
      },
      onUp: (listener) => void this.#listeners.push(listener),
      now: () => this.nowMs,
    };
    this.channels = new Channels(context);
  }

  waiting(channel: string): OutboxRecord[] {
    return this.disk.records.filter((record) => record.channel === channel);
  }

  /** Milliseconds until the state channel is due, undefined when nothing waits. */
  async dueIn(): Promise<number | undefined> {
    const [oldest] = this.waiting('state');
    if (!oldest || !this.#gatherer) return undefined;
    if (this.#gatherer.waitMs(oldest, this.nowMs) === Number.POSITIVE_INFINITY) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#gatherer.onDue = resolve;
      await promise;
    }
    return this.#gatherer.waitMs(oldest, this.nowMs);
  }

  /** Lets time pass until the state channel is due, and publishes it. Resolves with its payload; undefined when nothing waits. */
  async send(): Promise<string | undefined> {
    const ms = await this.dueIn();
    if (ms === undefined) return undefined;
    this.nowMs += ms;
    const { event, count }: Gathered = this.#gatherer!.gather(this.waiting('state'), this.nowMs);
    this.#out = this.waiting('state').slice(0, count);
    const text = Buffer.from(event.payload).toString();
    this.sent.push({ id: event.id, topic: event.topic, text });
    return text;
  }

  /** The bus has what was sent last. */
  ack(): void {
    for (const record of this.#out) {
      this.disk.records.splice(this.disk.records.indexOf(record), 1);
      this.#waiting.get(record.seq)?.resolve({ id: record.id, seq: record.seq });
    }
    this.#out = [];
  }

  /** The connection ended before its acknowledgement. */
  cut(): void {
    this.#out = [];
  }

  /** A connection stands. */
  up(): void {
    for (const listener of this.#listeners) listener();
  }

  get #counts() {
    const { disk } = this;
    return new Map(['state', 'data'].map((name) => [name, count(disk, name)]));
  }

  #publish(request: ChannelRequest): Publication {
    const { topic, payload, qos = 1, contentType, channel, key, id = createUlid() } = request;
    if (this.failure) return refused(id, this.failure);
    const acked = Promise.withResolvers<Receipt>();
    acked.promise.catch(() => {});
    const { records } = this.disk;
    const replaced = key === undefined ? -1 : records.findIndex((record) => record.key === key && !this.#out.includes(record));
    if (replaced !== -1) {
      const [record] = records.splice(replaced, 1);
      this.#waiting.get(record!.seq)?.reject(new HydrantError('HYD_DROPPED', 'replaced'));
    }
    const seq = ++this.disk.lastSeq;
    const record = {
      seq,
      id,
      topic,
      payload: Buffer.from(payload),
      qos,
      retain: false,
      contentType,
      channel,
      key,
      storedMs: this.nowMs,
      attempts: 0,
    };
    records.push(record);
    this.#waiting.set(seq, acked);
    return { id, stored: Promise.resolve(), acked: acked.promise };
  }
}

function count(disk: HandDisk, name: string) {
  return {
    get events() {
      return disk.records.filter(({ channel }) => channel === name).length;
    },
    bytes: 0,
    oldestSeq: undefined,
    oldestMs: undefined,
    quarantined: 0,
    quarantinedBytes: 0,
  };
}
