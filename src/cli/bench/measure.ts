import { HydrantError } from '../../core/errors.ts';
import type { Client, PublishRequest } from '../../mqtt/client.ts';
import type { QoS } from '../../wire/event.ts';
import { connect } from '../connect.ts';
import type { Connecting } from '../connection-options.ts';
import type { Io } from '../io.ts';
import { Progress } from '../progress.ts';
import { publishAll } from '../publish-all.ts';

export interface Load {
  count: number;
  qos: QoS;
  size: number;
  window: number;
  publishers: number;
  subscribers: number;
}

export interface Measured {
  published: number;
  delivered: number;
  /** At QoS 0 a broker may drop. */
  lost: number;
  seconds: number;
  publishedPerSecond: number;
  deliveredPerSecond: number;
  /** From publish to delivery, milliseconds; undefined without a subscriber. */
  p50Ms?: number;
  p99Ms?: number;
}

const ACK_TIMEOUT_MS = 30_000;
/** Without a delivery for this long after the last acknowledgement, what is missing is lost. */
const QUIET_MS = 2000;
const STAMP_BYTES = 8;
const SAMPLES = 200_000;

/** Publishes the load and waits until all of it has been acknowledged and delivered. */
export async function measure(target: Connecting, load: Load, io: Io): Promise<Measured> {
  const topic = `hydrant-bench/${process.pid}-${Date.now().toString(36)}`;
  const clients: Client[] = [];
  const open = async (): Promise<Client> => {
    const client = await connect({ ...target, clientId: '' }, io.signal, { maxInFlight: load.window });
    clients.push(client);
    return client;
  };
  const progress = new Progress(io, 'bench', 'events');
  try {
    const wanted = load.count * load.subscribers;
    const sink = new Sink(wanted, (delivered) => progress.update(delivered, wanted));
    for (let i = 0; i < load.subscribers; i++) {
      const client = await open();
      await client.subscribe([{ filter: `${topic}/#`, qos: load.qos }]);
      void sink.read(client);
    }
    const publishers: Client[] = [];
    for (let i = 0; i < load.publishers; i++) publishers.push(await open());
    const startMs = performance.now();
    const shares = publishers.map((_, i) => Math.floor(load.count / load.publishers) + (i < load.count % load.publishers ? 1 : 0));
    const published = await Promise.all(
      publishers.map((client, i) =>
        publishAll(client, requests(`${topic}/${i}`, shares[i]!, load), {
          window: load.window,
          timeoutMs: ACK_TIMEOUT_MS,
          signal: io.signal,
        }),
      ),
    );
    const ackedMs = performance.now();
    await sink.complete(io.signal);
    const elapsedMs = Math.max(sink.lastMs, ackedMs) - startMs;
    progress.clear();
    const total = published.reduce((sum, count) => sum + count, 0);
    return {
      published: total,
      delivered: sink.delivered,
      lost: wanted - sink.delivered,
      seconds: round(elapsedMs / 1000),
      publishedPerSecond: Math.round((total * 1000) / elapsedMs),
      deliveredPerSecond: Math.round((sink.delivered * 1000) / elapsedMs),
      ...sink.latency(),
    };
  } finally {
    progress.clear();
    await Promise.all(clients.map((client) => client.close()));
  }
}

async function* requests(topic: string, count: number, load: Load): AsyncGenerator<PublishRequest> {
  for (let i = 0; i < count; i++) {
    const payload = Buffer.alloc(Math.max(load.size, STAMP_BYTES), 'x');
    payload.writeDoubleLE(performance.now(), 0);
    yield { topic, payload, qos: load.qos };
  }
}

/** Counts what arrives, with a sample of the latencies. */
class Sink {
  delivered = 0;
  lastMs = 0;
  readonly #wanted: number;
  readonly #onDelivered: (delivered: number) => void;
  readonly #latencies: number[] = [];
  readonly #done = Promise.withResolvers<void>();

  constructor(wanted: number, onDelivered: (delivered: number) => void) {
    this.#wanted = wanted;
    this.#onDelivered = onDelivered;
    this.#done.promise.catch(() => {});
    if (wanted === 0) this.#done.resolve();
  }

  async read(client: Client): Promise<void> {
    try {
      for await (const batch of client.messages) {
        const nowMs = performance.now();
        for (const message of batch) {
          if (this.#latencies.length < SAMPLES) this.#latencies.push(nowMs - message.payload.readDoubleLE(0));
          else if (this.delivered % 16 === 0)
            this.#latencies[Math.floor(Math.random() * SAMPLES)] = nowMs - message.payload.readDoubleLE(0);
          this.delivered++;
          message.ack();
        }
        this.lastMs = nowMs;
        this.#onDelivered(this.delivered);
        if (this.delivered >= this.#wanted) this.#done.resolve();
      }
    } catch (error) {
      this.#done.reject(error);
    }
  }

  /** Resolves when all has come, or when nothing more comes. */
  async complete(signal: AbortSignal): Promise<void> {
    let seen = -1;
    const quiet = Promise.withResolvers<void>();
    const timer = setInterval(() => {
      if (signal.aborted) quiet.reject(signal.reason ?? new HydrantError('HYD_ABORTED', 'interrupted'));
      if (this.delivered === seen) quiet.resolve();
      seen = this.delivered;
    }, QUIET_MS);
    await Promise.race([this.#done.promise, quiet.promise]).finally(() => clearInterval(timer));
  }

  latency(): { p50Ms?: number; p99Ms?: number } {
    const sorted = this.#latencies.sort((a, b) => a - b);
    if (sorted.length === 0) return {};
    const at = (part: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!);
    return { p50Ms: at(0.5), p99Ms: at(0.99) };
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
