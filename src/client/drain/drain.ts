import type { Bus, Receipt } from '../../bus/bus.ts';
import type { Timing } from '../../bus/mqtt/options.ts';
import { crashPoint } from '../../core/crash-point.ts';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { ConnectRefused } from '../../mqtt/connect-refused.ts';
import type { Gatherer } from '../channels/gatherer.ts';
import type { Outbox, OutboxRecord } from '../outbox/outbox.ts';
import { eventOf, type Flight, recordsOf } from './flight.ts';
import { Gathering } from './gathering.ts';
import { Lane, type Room } from './lane.ts';
import type { RateLimit } from './rate-limit.ts';
import { Suspects } from './suspects.ts';

/** Of payload out at once, so that a window of large events does not fill the memory. */
const MAX_OUT_BYTES = 4_194_304;
const RETRY_BASE_MS = 250;
const RETRY_CAP_MS = 30_000;
/** After a read of the outbox that failed. */
const READ_AGAIN_MS = 1000;
/** One priority more is so many times the share. */
const SHARE_PER_PRIORITY = 4;
const MAX_PRIORITY = 6;
/** Payload that weighs as much as one event more. */
const EVENT_BYTES = 4096;
/** What no second attempt mends. */
const FINAL: ReadonlySet<string> = new Set(['HYD_REFUSED', 'HYD_TOO_LARGE', 'HYD_UNSUPPORTED', 'HYD_TOPIC']);

export interface DrainOptions {
  bus: Bus;
  outbox: Outbox;
  /** Publishes out at once. */
  maxInFlight: number;
  rate: RateLimit;
  maxAttempts: number;
  timing: Timing;
  log: Log;
  /** The bus has it; it is out of the outbox with the next commit. */
  onAcked(record: OutboxRecord, receipt: Receipt, tookMs: number): void;
  onExpired(record: OutboxRecord): void;
  onQuarantined(record: OutboxRecord, error: HydrantError): void;
}

/**
 * Sends what the outbox holds, each channel in its order, all of them in their turns, as many publishes out as the window allows. An event
 * leaves the outbox when the bus has acknowledged it, when it has expired, or for quarantine.
 */
export class Drain {
  readonly #options: DrainOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #paces = new Map<string, number>();
  readonly #room: Room = { bytes: 0 };
  readonly #suspects: Suspects;
  readonly #stop = new AbortController();
  #isStarted = false;
  #isLinkUp = true;
  #window: number;
  #isScheduled = false;
  #out = 0;
  #outBytes = 0;
  /** The pass of what was sent last. */
  #pass = 0;
  #isWaiting = false;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#window = options.maxInFlight;
    this.#suspects = new Suspects(options.maxAttempts);
  }

  /** Publishes out. */
  get out(): number {
    return this.#out;
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
  }

  /** While there is no connection one publish waits for it, the rest stays here. @param most publishes that the server lets be out */
  setLink(isUp: boolean, most = Number.POSITIVE_INFINITY): void {
    this.#isLinkUp = isUp;
    this.#window = Math.min(this.#options.maxInFlight, most);
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
      onUnsendable: (record, error) => this.#quarantine(record, error),
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
      this.#suspects.forget(seq);
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
    for (const lane of this.#lanes.values()) {
      this.#readAhead(lane);
      if (lane.isReady) ready.push(lane);
    }
    const flights: Flight[] = [];
    while (ready.length > 0 && this.#hasRoom()) {
      const lane = nextOf(ready);
      if (!this.#launch(lane, nowMs, flights)) break;
      if (lane.isReady) continue;
      ready.splice(ready.indexOf(lane), 1);
      this.#readAhead(lane);
    }
    if (flights.length === 0) return;
    this.#options.outbox.markOut(seqsOf(flights), true);
    crashPoint('drain.before-send');
    for (const flight of flights) this.#send(flight);
    crashPoint('drain.after-send');
  }

  #hasRoom(): boolean {
    if (this.#out === 0) return true;
    return this.#isLinkUp && this.#outBytes < MAX_OUT_BYTES && this.#out < (this.#suspects.isNarrow ? 1 : this.#window);
  }

  /** Takes the next of a lane. @returns false when the rate allows no more now */
  #launch(lane: Lane, sentMs: number, flights: Flight[]): boolean {
    const ready = lane.gathering?.ready;
    const record = ready?.records[0] ?? lane.peek()!;
    if (!ready && record.expiresMs !== undefined && record.expiresMs <= sentMs) {
      lane.shift();
      this.#suspects.forget(record.seq);
      this.#options.outbox.remove(record.seq);
      this.#options.onExpired(record);
      return true;
    }
    const bytes = (ready?.event ?? record).payload.length;
    const waitMs = this.#options.rate.take(bytes, sentMs);
    if (waitMs > 0) {
      this.#pause(waitMs);
      return false;
    }
    if (ready) lane.gathering!.take();
    else lane.shift();
    lane.pass += lane.pace * (1 + bytes / EVENT_BYTES);
    this.#pass = lane.pass;
    lane.out++;
    this.#out++;
    this.#outBytes += bytes;
    flights.push({ lane, record, ready, bytes, sentMs, isPoison: false });
    return true;
  }

  #send(flight: Flight): void {
    const onCut = (others: number): boolean => this.#onCut(flight, others);
    this.#options.bus.publish(eventOf(flight), { onCut }).then(
      (receipt) => this.#onAck(flight, receipt),
      (error: unknown) => this.#onFailure(flight, error),
    );
  }

  #onAck(flight: Flight, receipt: Receipt): void {
    const { outbox, timing, onAcked } = this.#options;
    const tookMs = Math.max(0, timing.now() - flight.sentMs);
    crashPoint('drain.before-remove');
    for (const record of recordsOf(flight)) {
      outbox.remove(record.seq);
      this.#suspects.onAck(record.seq);
      onAcked(record, receipt, tookMs);
    }
    crashPoint('drain.after-remove');
    if (!flight.lane.isSettling) flight.lane.failures = 0;
    this.#settle(flight);
    flight.lane.gathering?.settle();
  }

  #onFailure(flight: Flight, error: unknown): void {
    const { lane } = flight;
    if (this.#stop.signal.aborted) return this.#settle(flight);
    if (flight.isPoison) {
      const cause = new HydrantError('HYD_QUARANTINED', `the server ended the connection ${flight.record.attempts} times over it`);
      void this.#setAside(flight, cause);
    } else if (isFinal(error)) {
      void this.#setAside(flight, error);
    } else {
      if (!isGivenBack(error)) this.#backOff(lane, error);
      this.#giveBack(flight);
    }
  }

  /** Out of its channel, for an operator. Where that fails it is sent again. */
  async #setAside(flight: Flight, error: HydrantError): Promise<void> {
    const { lane } = flight;
    try {
      for (const record of recordsOf(flight)) await this.#quarantine(record, error);
      this.#settle(flight);
      lane.gathering?.settle();
    } catch (failure) {
      this.#backOff(lane, failure);
      this.#giveBack(flight);
    }
  }

  async #quarantine(record: OutboxRecord, error: HydrantError): Promise<void> {
    await this.#options.outbox.quarantine(record.seq, error.message);
    this.#suspects.forget(record.seq);
    this.#options.onQuarantined(record, error);
  }

  #giveBack(flight: Flight): void {
    const { lane, record, ready } = flight;
    this.#options.outbox.markOut(seqsOf([flight]), false);
    if (!ready) lane.giveBack(record);
    this.#settle(flight);
    lane.gathering?.settle();
  }

  #settle({ lane, bytes }: Flight): void {
    this.#out--;
    this.#outBytes -= bytes;
    if (--lane.out === 0) lane.isSettling = false;
    this.#schedule();
  }

  /** The lane goes on from its lowest event that is not acknowledged, when all that are out are settled and the time is over. */
  #backOff(lane: Lane, error: unknown): void {
    if (lane.isSettling) return;
    const { timing, log } = this.#options;
    const delayMs = timing.random() * Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(lane.failures++, 16));
    lane.isSettling = lane.isResting = true;
    log('warn', 'events are not taken now; they are sent again', {
      channel: lane.name,
      error: errorText(error),
      inMs: Math.round(delayMs),
    });
    this.#later(delayMs, () => {
      lane.isResting = false;
      this.#schedule();
    });
  }

  #onCut(flight: Flight, others: number): boolean {
    const { record } = flight;
    const verdict = this.#suspects.onCut(record, others);
    if (others === 0) this.#options.outbox.noteAttempt(record.seq, record.attempts);
    flight.isPoison = verdict === 'poison';
    // What was gathered is sent at its interval, also by the next connection.
    return verdict !== 'stay' || flight.ready !== undefined;
  }

  #readAhead(lane: Lane): void {
    if (lane.gathering || !lane.isHungry) return;
    lane.load(this.#options.outbox).then(
      (records) => {
        for (const record of records) this.#suspects.onLoad(record);
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

function seqsOf(flights: readonly Flight[]): number[] {
  return flights.flatMap((flight) => (flight.ready ? flight.ready.records.map(({ seq }) => seq) : flight.record.seq));
}

/** A refused login comes from a bus that has ended, not from the event. */
function isFinal(error: unknown): error is HydrantError {
  return error instanceof HydrantError && FINAL.has(error.code) && !(error instanceof ConnectRefused);
}

function isGivenBack(error: unknown): boolean {
  return error instanceof HydrantError && error.code === 'HYD_ABORTED';
}
