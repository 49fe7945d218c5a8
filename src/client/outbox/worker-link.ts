import { Worker } from 'node:worker_threads';
import { workerUrl } from '../../core/worker-url.ts';
import type { Reply, Request } from './messages.ts';

/** The worker thread as a function: each request gets its reply, in the order asked, also when the thread ends. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #asked: ((reply: Reply) => void)[] = [];
  readonly #ended: Promise<void>;
  #end: Reply | undefined;
  #isGivenUp = false;
  /** What came of opening. */
  readonly opened: Promise<Reply>;

  constructor(path: string) {
    this.opened = new Promise((resolve) => this.#asked.push(resolve));
    this.#worker = new Worker(workerUrl(import.meta.url, 'outbox-worker'), {
      name: 'outbox',
      workerData: { path },
      // Flags of the application's program, such as `--input-type`, are not meant for a file of ours, and what it imports first not for a thread.
      execArgv: [],
      // The smaller a heap may be, the sooner Node collects it; what is in this one lives for one commit.
      resourceLimits: { maxYoungGenerationSizeMb: 3, maxOldGenerationSizeMb: 128 },
    });
    this.#worker.on('message', (reply: Reply) => this.#asked.shift()?.(reply));
    this.#worker.on('error', (error) => this.#onEnd(error.message));
    this.#ended = new Promise((resolve) =>
      this.#worker.on('exit', () => {
        this.#onEnd('its thread has ended');
        resolve();
      }),
    );
  }

  ask(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<Reply> {
    if (this.#end) return Promise.resolve(this.#end);
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.#worker.postMessage(request, transfer);
    });
  }

  async end(): Promise<void> {
    await this.ask({ kind: 'close' });
    const terminated = this.#worker.terminate();
    if (this.#isGivenUp) return;
    await terminated;
    await this.#ended;
  }

  /** Waits for it no more: all that was asked fails, and `end` does not wait for a thread that a disk holds. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#worker.unref();
    this.#onEnd('the disk has not answered in time');
  }

  #onEnd(message: string): void {
    this.#end ??= { failure: { message, sqlite: undefined }, reports: [], foreign: [] };
    for (const resolve of this.#asked.splice(0)) resolve(this.#end);
  }
}
