import { type ResourceLimits, Worker } from 'node:worker_threads';
import { HydrantError } from '../../core/errors.ts';
import { workerUrl } from '../../core/worker-url.ts';
import type { JoinedObjects, JoinJob } from './join-objects.ts';
import type { SealedRun, SealSegmentJob } from './seal-segment.ts';
import type { SealJob, SealReply, SealStart } from './seal-worker.ts';

/** What lives long in it is little, and collecting early keeps the process smaller. */
const LIMITS: ResourceLimits = { maxYoungGenerationSizeMb: 12 };

/**
 * The thread that packs and reads back: started by the first job, ended when it has had none for `idleMs`. One job at a time. It gives way to
 * the process's other threads, but in urgent jobs: a thread's priority can be lowered by anybody and raised by few, so those get another one.
 */
export class SealThread {
  readonly #idleMs: number;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #givesWay = true;
  #closed = false;

  constructor(options: { idleMs?: number } = {}) {
    this.#idleMs = options.idleMs ?? 10_000;
  }

  /** Whether the thread is there. */
  get running(): boolean {
    return this.#worker !== undefined;
  }

  /** @throws what the job throws; HYD_CLOSED; HYD_STORE (retryable) when the thread died */
  run(job: SealSegmentJob, isUrgent?: boolean): Promise<SealedRun[]>;
  run(job: JoinJob, isUrgent?: boolean): Promise<JoinedObjects>;
  run(job: SealJob, isUrgent = false): Promise<SealedRun[] | JoinedObjects> {
    const result = this.#queue.then(() => this.#run(job, !isUrgent));
    this.#queue = result.catch(() => {});
    return result;
  }

  async #run(job: SealJob, givesWay: boolean): Promise<SealedRun[] | JoinedObjects> {
    if (this.#closed) throw new HydrantError('HYD_CLOSED', 'sealing has ended');
    clearTimeout(this.#idle);
    if (this.#worker && givesWay !== this.#givesWay) await this.#end();
    this.#givesWay = givesWay;
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const { promise, resolve, reject } = Promise.withResolvers<SealReply>();
    const onEnd = (cause?: unknown) => {
      const code = this.#closed ? 'HYD_CLOSED' : 'HYD_STORE';
      reject(new HydrantError(code, 'the sealing thread ended in the middle of its work', { cause }));
    };
    worker.once('message', resolve).once('error', onEnd).once('exit', onEnd);
    try {
      worker.ref();
      worker.postMessage(job);
      const reply = await promise;
      if (!reply.ok) throw new HydrantError(reply.code, reply.message);
      return reply.result;
    } finally {
      worker.off('message', resolve).off('error', onEnd).off('exit', onEnd);
      worker.unref();
      this.#idle = setTimeout(() => void this.#end(), this.#idleMs).unref();
    }
  }

  #start(): Worker {
    const workerData: SealStart = { givesWay: this.#givesWay };
    const worker = new Worker(workerUrl(import.meta.url, 'seal-worker'), { name: 'seal', resourceLimits: LIMITS, workerData });
    const forget = (): void => {
      if (this.#worker === worker) this.#worker = undefined;
    };
    // The one who waits for a reply is told by its own listener.
    return worker.on('error', forget).on('exit', forget);
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  /** Ends the job under way, which is then refused; what it has written is left over. */
  async stop(): Promise<void> {
    this.#closed = true;
    await this.#end();
    await this.close();
  }

  /** Waits for the job under way; jobs that wait are refused. Twice is fine. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
    clearTimeout(this.#idle);
    await this.#end();
  }
}
