import { errorText } from '../../core/errors.ts';
import type { Gatherer } from '../channels/gatherer.ts';
import type { OutboxRecord } from '../outbox/outbox.ts';
import type { DrainOptions } from './drain-options.ts';
import type { Flight } from './flight.ts';
import { Gathering } from './gathering.ts';
import { Lane, type Room } from './lane.ts';
import { Sender } from './sender.ts';

/** After a read of the outbox that failed. */
const READ_AGAIN_MS = 1000;
/** Of events in memory, while they can be sent and while there is no connection. */
const MAX_BYTES = 2_097_152;
const MAX_BYTES_OFFLINE = 524_288;
/** A channel has the window to itself when no other has sent for so long. Else a third of it is enough, where that is many: the others would stand behind them. */
const ALONE_AFTER_MS = 1000;
const SHARE_OF_WINDOW = 1 / 3;
const MANY = 300;
/** One priority more is so many times the share. */
const SHARE_PER_PRIORITY = 4;
const MAX_PRIORITY = 6;
/** Payload that weighs as much as one event more. */
const EVENT_BYTES = 4096;

/**
 * Sends what the outbox holds, each channel in its order, all of them in their turns, as many publishes out as the window allows. An event
 * leaves the outbox when the bus has acknowledged it, when it has expired, or for quarantine.
 */
export class Drain {
  readonly #options: DrainOptions;
  readonly #sender: Sender;
  readonly #lanes = new Map<string, Lane>();
  readonly #paces = new Map<string, number>();
  readonly #room: Room = { bytes: 0, maxBytes: MAX_BYTES };
  readonly #stop = new AbortController();
  #isStarted = false;
  #isScheduled = false;
  /** The pass of what was sent last. */
  #pass = 0;
  #isWaiting = false;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#sender = new Sender(options, {
      onRoom: () => this.#schedule(),
      later: (ms, callback) => this.#later(ms, callback),
    });
  }

  /** Publishes out. */
  get out(): number {
    return this.#sender.out;
  }

  /** Begins to send. */
  start(): void {
    this.#isStarted = true;
    for (const channel of this.#options.outbox.channels.keys()) this.#lane(channel);
    for (const lane of this.#lanes.values()) lane.gathering?.look();
    this.#schedule();
  }

  /** Nothing more is sent; what is out and settles later stays in the outbox. */
  stop(): void {
    this.#stop.abort();
    this.#sender.stop();
  }

  /** While there is no connection one publish waits for it, the rest stays here. @param most publishes that the server lets be out */
  setLink(isUp: boolean, most = Number.POSITIVE_INFINITY): void {
    this.#sender.setLink(isUp, most);
    this.#room.maxBytes = isUp ? MAX_BYTES : MAX_BYTES_OFFLINE;
    if (isUp) this.#schedule();
  }

  /** @param priority higher goes first; lower ones get their share all the same */
  prioritize(channel: string, priority: number): void {
    const pace = SHARE_PER_PRIORITY ** -Math.min(MAX_PRIORITY, Math.max(-MAX_PRIORITY, priority));
    this.#paces.set(channel, pace);
    const lane = this.#lanes.get(channel);
    if (lane) lane.pace = pace;
  }

  gatherWith(channel: string, gatherer: Gatherer): void {
    const { outbox, timing, log } = this.#options;
    const gathering = new Gathering(channel, gatherer, {
      outbox,
      now: timing.now,
      later: (ms, callback) => this.#later(ms, callback),
      onReady: () => this.#schedule(),
      onUnsendable: (record, error) => this.#sender.quarantine(record, error),
      onReadFailed: (error) => log('error', 'the outbox cannot be read', { channel, error: errorText(error) }),
    });
    this.#lane(channel).gathering = gathering;
    if (this.#isStarted) gathering.look();
  }

  onStored(records: readonly OutboxRecord[]): void {
    if (!this.#isStarted) return;
    let lane: Lane | undefined;
    for (const record of records) {
      if (lane?.name !== record.channel) lane = this.#lane(record.channel);
      if (lane.length === 0) this.#catchUp(lane);
      if (lane.gathering) lane.gathering.look();
      else lane.take(record);
    }
    this.#schedule();
  }

  /** Another process has stored something. */
  onForeign(channels: ReadonlySet<string>): void {
    if (!this.#isStarted) return;
    for (const channel of channels) {
      const lane = this.#lane(channel);
      lane.fallBehind();
      lane.gathering?.look();
    }
    this.#schedule();
  }

  onDropped(records: readonly Pick<OutboxRecord, 'seq' | 'channel'>[]): void {
    for (const { seq, channel } of records) {
      this.#lanes.get(channel)?.forget(seq);
      this.#sender.suspects.forget(seq);
    }
  }

  #lane(channel: string): Lane {
    const known = this.#lanes.get(channel);
    if (known) return known;
    const lane = new Lane(channel, this.#room);
    lane.pace = this.#paces.get(channel) ?? this.#paces.get('*') ?? 1;
    this.#lanes.set(channel, lane);
    return lane;
  }

  /** A lane that had nothing to send has no claim on the turns that it did not take. */
  #catchUp(lane: Lane): void {
    lane.pass = Math.max(lane.pass, this.#pass);
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#isStarted || this.#stop.signal.aborted) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#stop.signal.aborted) this.#pump(this.#options.timing.now());
    });
  }

  #pump(nowMs: number): void {
    const ready: Lane[] = [];
    const most = this.#mostOfOne(nowMs);
    for (const lane of this.#lanes.values()) {
      this.#readAhead(lane);
      if (lane.isReady && lane.out < most) ready.push(lane);
    }
    const flights: Flight[] = [];
    while (ready.length > 0 && this.#sender.hasRoom) {
      const lane = nextOf(ready);
      if (!this.#launch(lane, nowMs, flights)) break;
      if (lane.isReady && lane.out < most) continue;
      ready.splice(ready.indexOf(lane), 1);
      this.#readAhead(lane);
    }
    if (flights.length > 0) this.#sender.send(flights);
  }

  /** Publishes of one lane out at once. */
  #mostOfOne(nowMs: number): number {
    let sending = 0;
    for (const lane of this.#lanes.values()) if (lane.sentMs > nowMs - ALONE_AFTER_MS) sending++;
    return sending > 1 ? Math.max(MANY, this.#sender.window * SHARE_OF_WINDOW) : Number.POSITIVE_INFINITY;
  }

  /** Takes the next of a lane. @returns false when the rate allows no more now */
  #launch(lane: Lane, sentMs: number, flights: Flight[]): boolean {
    const { outbox, rate, onExpired } = this.#options;
    const ready = lane.gathering?.ready;
    const record = ready?.records[0] ?? lane.peek()!;
    if (!ready && record.expiresMs !== undefined && record.expiresMs <= sentMs) {
      lane.shift();
      this.#sender.suspects.forget(record.seq);
      outbox.remove(record.seq, 'expired');
      onExpired(record);
      return true;
    }
    const bytes = (ready?.event ?? record).payload.length;
    const waitMs = rate.take(bytes, sentMs);
    if (waitMs > 0) {
      this.#pause(waitMs);
      return false;
    }
    if (ready) lane.gathering!.take();
    else lane.shift();
    lane.sentMs = sentMs;
    lane.pass += lane.pace * (1 + bytes / EVENT_BYTES);
    this.#pass = lane.pass;
    const flight: Flight = { lane, record, ready, bytes, sentMs, isPoison: false };
    this.#sender.reserve(flight);
    flights.push(flight);
    return true;
  }

  #readAhead(lane: Lane): void {
    if (lane.gathering || !lane.isHungry) return;
    lane.load(this.#options.outbox).then(
      (records) => {
        for (const record of records) this.#sender.suspects.onLoad(record);
        if (lane.length === records.length) this.#catchUp(lane);
        this.#schedule();
      },
      (error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.log('error', 'the outbox cannot be read', { channel: lane.name, error: errorText(error) });
        this.#later(READ_AGAIN_MS, () => this.#schedule());
      },
    );
  }

  /** Looks again when the rate allows the next one. */
  #pause(ms: number): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#later(ms, () => {
      this.#isWaiting = false;
      this.#schedule();
    });
  }

  #later(ms: number, callback: () => void): void {
    const { signal } = this.#stop;
    void this.#options.timing.sleep(ms, signal).then(() => signal.aborted || callback());
  }
}

function nextOf(lanes: readonly Lane[]): Lane {
  let next = lanes[0]!;
  for (const lane of lanes) if (lane.pass < next.pass) next = lane;
  return next;
}
