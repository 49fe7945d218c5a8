import { HydrantError } from '../../core/errors.ts';
import { abortError, closedError } from './failure.ts';
import { Lane, type Put } from './lane.ts';
import type { OutboxEvent, OutboxRecord, Storer } from './outbox.ts';
import { fitsRecord } from './record.ts';

/** Payload bytes that wait for the disk. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024;
const MAX_CHANNELS = 8000;

/** The ways into all channels: who comes in, who waits, who is refused, and what each is told. */
export class Lanes {
  readonly #path: string;
  readonly #lanes = new Map<string, Lane>();
  #waitingBytes = 0;
  #order = 0;
  #isClosed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Nothing more comes in. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get someWait(): boolean {
    for (const lane of this.#lanes.values()) if (lane.waiting.length > 0) return true;
    return false;
  }

  of(channel: string): Lane {
    let lane = this.#lanes.get(channel);
    if (!lane) {
      lane = new Lane(channel);
      this.#lanes.set(channel, lane);
    }
    return lane;
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** @returns undefined when the event is refused; its storer knows then */
  admit(event: OutboxEvent, storer: Storer, signal: AbortSignal | undefined): Put | undefined {
    const lane = this.of(event.channel);
    const refusal = signal?.aborted ? abortError(signal) : this.#refusal(event, lane);
    if (refusal) {
      storer.onRefused(refusal);
      return undefined;
    }
    const put: Put = {
      event,
      lane,
      order: this.#order++,
      sinceMs: lane.keepsOrder ? performance.now() : 0,
      storer,
      bytes: 0,
      sent: false,
      settled: false,
      unlisten: undefined,
    };
    if (signal) this.#listen(put, signal);
    this.#waitingBytes += event.payload.byteLength;
    return put;
  }

  /** Tells the storer of a put, once. */
  settle(put: Put, outcome: OutboxRecord | HydrantError): void {
    if (put.settled) return;
    put.settled = true;
    put.unlisten?.();
    this.#waitingBytes -= put.event.payload.byteLength;
    if (outcome instanceof HydrantError) put.storer.onRefused(outcome);
    else put.storer.onStored(outcome);
  }

  /** Lets a put wait in its lane. */
  hold(put: Put): void {
    if (this.#isClosed) return this.settle(put, closedError(this.#path));
    put.lane.hold(put);
    this.watch(put.lane);
  }

  /** Call whenever what waits in a lane has changed. */
  watch(lane: Lane): void {
    lane.watch((put, error) => this.settle(put, error));
  }

  /** Who waits is told at once, and so is who comes. */
  close(): void {
    this.#isClosed = true;
    for (const lane of this.#lanes.values()) {
      lane.stop();
      for (const put of lane.takeAll()) this.settle(put, closedError(this.#path));
    }
  }

  #refusal({ topic, id, payload, channel }: OutboxEvent, lane: Lane): HydrantError | undefined {
    if (this.#isClosed) return closedError(this.#path);
    if (!fitsRecord({ topic, id }))
      return new HydrantError('HYD_TOO_LARGE', `id or topic are too long: ${id.length} and ${topic.length} characters`);
    if (payload.byteLength > Math.min(MAX_PAYLOAD_BYTES, lane.maxBytes - topic.length)) {
      const bound = Math.min(MAX_PAYLOAD_BYTES, lane.maxBytes);
      return new HydrantError('HYD_TOO_LARGE', `${payload.byteLength} bytes for ${topic}: the channel ${channel} takes ${bound}`);
    }
    if (this.#waitingBytes + payload.byteLength > MAX_WAITING_BYTES && this.#waitingBytes > 0)
      return new HydrantError('HYD_OUTBOX_FULL', `${this.#waitingBytes} bytes wait for the disk under the outbox ${this.#path}`, {
        fix: 'Publish no faster than `stored` resolves.',
      });
    if (this.#lanes.size > MAX_CHANNELS)
      return new HydrantError('HYD_TOO_LARGE', `the channel ${channel} is one too many: an outbox has ${MAX_CHANNELS}`);
    return undefined;
  }

  #listen(put: Put, signal: AbortSignal): void {
    const onAbort = (): void => {
      if (put.sent) return;
      put.lane.remove(put);
      this.settle(put, abortError(signal));
    };
    signal.addEventListener('abort', onAbort);
    put.unlisten = () => signal.removeEventListener('abort', onAbort);
  }
}
