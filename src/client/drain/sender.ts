import type { Receipt } from '../../bus/bus.ts';
import { type BackoffBounds, backoffMs } from '../../core/backoff.ts';
import { crashPoint } from '../../core/crash-point.ts';
import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import { ConnectRefused } from '../../mqtt/connect-refused.ts';
import type { OutboxRecord } from '../outbox/outbox.ts';
import type { DrainOptions } from './drain-options.ts';
import { eventOf, type Flight, recordsOf } from './flight.ts';
import type { Lane } from './lane.ts';
import { Suspects } from './suspects.ts';

/** Of payload out at once, so that a window of large events does not fill the memory. */
const MAX_OUT_BYTES = 4_194_304;
const RETRY: BackoffBounds = { minMs: 250, maxMs: 30_000 };
/** After a cut over one event alone the next connection first has to hold so long with nothing out. */
const QUIET_MS = 1000;
/** What no second attempt mends. */
const FINAL: ReadonlySet<string> = new Set(['HYD_REFUSED', 'HYD_TOO_LARGE', 'HYD_UNSUPPORTED', 'HYD_TOPIC']);

interface SenderHost {
  /** A lane may go on. */
  onRoom(): void;
  /** Calls back after the time; never when the drain has ended. */
  later(ms: number, callback: () => void): void;
}

/** What is out: how much may be, and what becomes of it. */
export class Sender {
  readonly suspects: Suspects;
  readonly #options: DrainOptions;
  readonly #host: SenderHost;
  #isLinkUp = true;
  #window: number;
  #isStopped = false;
  #isQuiet = false;
  #quietTurn = 0;
  /** A connection is up that came after the cut, with nothing out on it. */
  #isProving = false;
  #out = 0;
  #bytes = 0;

  constructor(options: DrainOptions, host: SenderHost) {
    this.#options = options;
    this.#host = host;
    this.#window = options.maxInFlight;
    this.suspects = new Suspects(options.maxAttempts);
  }

  get out(): number {
    return this.#out;
  }

  /** Publishes out at once. */
  get window(): number {
    return this.#window;
  }

  get hasRoom(): boolean {
    if (this.#isQuiet) return false;
    if (this.#out === 0) return true;
    return this.#isLinkUp && this.#bytes < MAX_OUT_BYTES && this.#out < (this.suspects.isNarrow ? 1 : this.#window);
  }

  /** @param most publishes that the server lets be out */
  setLink(isUp: boolean, most: number): void {
    const cameUp = isUp && !this.#isLinkUp;
    if (this.#isProving && !isUp) this.#absolve();
    this.#isLinkUp = isUp;
    this.#window = Math.min(this.#options.maxInFlight, most);
    this.#isProving = this.#isQuiet && isUp && (cameUp || this.#isProving);
    if (this.#isQuiet && cameUp) this.#keepQuiet();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Takes a place of the window. */
  reserve({ lane, bytes }: Flight): void {
    lane.out++;
    this.#out++;
    this.#bytes += bytes;
  }

  /** Sends what has its places. */
  send(flights: readonly Flight[]): void {
    this.#options.outbox.markOut(seqsOf(flights), true);
    crashPoint('drain.before-send');
    for (const flight of flights) {
      const onCut = (others: number): boolean => this.#onCut(flight, others);
      this.#options.bus.publish(eventOf(flight), { onCut }).then(
        (receipt) => this.#onAck(flight, receipt),
        (error: unknown) => this.#onFailure(flight, error),
      );
    }
    crashPoint('drain.after-send');
  }

  /** Out of its channel, for an operator. @throws HYD_OUTBOX */
  async quarantine(record: OutboxRecord, error: HydrantError): Promise<void> {
    await this.#options.outbox.quarantine(record.seq, error.message);
    this.suspects.forget(record.seq);
    this.#options.onQuarantined(record, error);
  }

  #onAck(flight: Flight, receipt: Receipt): void {
    const { outbox, timing, onAcked } = this.#options;
    const tookMs = Math.max(0, timing.now() - flight.sentMs);
    crashPoint('drain.before-remove');
    for (const record of recordsOf(flight)) {
      outbox.remove(record.seq);
      this.suspects.onAck(record.seq);
      onAcked(record, receipt, tookMs);
    }
    crashPoint('drain.after-remove');
    if (!flight.lane.isSettling) flight.lane.failures = 0;
    this.#settle(flight);
  }

  #onFailure(flight: Flight, error: unknown): void {
    const { lane, record } = flight;
    if (this.#isStopped) return this.#settle(flight);
    if (flight.isPoison) {
      const cause = new HydrantError('HYD_QUARANTINED', `the server ended the connection ${record.attempts} times over it`);
      void this.#setAside(flight, cause);
    } else if (isFinal(error)) {
      void this.#setAside(flight, error);
    } else {
      if (!isGivenBack(error)) this.#backOff(lane, error);
      this.#giveBack(flight);
    }
  }

  /** Where that fails it is sent again. */
  async #setAside(flight: Flight, error: HydrantError): Promise<void> {
    try {
      for (const record of recordsOf(flight)) await this.quarantine(record, error);
      this.#settle(flight);
    } catch (failure) {
      this.#backOff(flight.lane, failure);
      this.#giveBack(flight);
    }
  }

  #giveBack(flight: Flight): void {
    this.#options.outbox.markOut(seqsOf([flight]), false);
    if (!flight.ready) flight.lane.giveBack(flight.record);
    this.#settle(flight);
  }

  #settle({ lane, bytes }: Flight): void {
    this.#out--;
    this.#bytes -= bytes;
    if (--lane.out === 0) lane.isSettling = false;
    lane.gathering?.settle();
    this.#host.onRoom();
  }

  /** The lane goes on from its lowest event that is not acknowledged, when all that are out are settled and the time is over. */
  #backOff(lane: Lane, error: unknown): void {
    if (lane.isSettling) return;
    const { timing, log } = this.#options;
    const delayMs = backoffMs(RETRY, lane.failures++, timing.random);
    lane.isSettling = lane.isResting = true;
    log('warn', 'events are not taken now; they are sent again', {
      channel: lane.name,
      error: errorText(error),
      fix: errorFix(error),
      inMs: Math.round(delayMs),
    });
    this.#host.later(delayMs, () => {
      lane.isResting = false;
      this.#host.onRoom();
    });
  }

  #onCut(flight: Flight, others: number): boolean {
    const { record } = flight;
    const verdict = this.suspects.onCut(record, others);
    flight.isPoison = verdict === 'poison';
    if (others === 0) {
      this.#options.outbox.noteAttempt(record.seq, record.attempts);
      if (verdict === 'take-back') this.#keepQuiet();
    }
    // What was gathered keeps its interval, also on the next connection.
    return verdict !== 'stay' || flight.ready !== undefined;
  }

  /** Nothing is sent for a while, to see whether the link breaks by itself too. While it is down the while does not begin. */
  #keepQuiet(): void {
    this.#isQuiet = true;
    const turn = ++this.#quietTurn;
    this.#host.later(QUIET_MS, () => {
      if (turn !== this.#quietTurn || !this.#isLinkUp) return;
      this.#isQuiet = this.#isProving = false;
      this.#host.onRoom();
    });
  }

  /** The connection ended with nothing out: so it may have done before, and the event that was out then is no worse than others. */
  #absolve(): void {
    const record = this.suspects.absolve();
    if (record) this.#options.outbox.noteAttempt(record.seq, 0);
  }
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
