import { outboxError } from './failure.ts';
import type { ChannelReport, Reply, Request } from './messages.ts';
import type { WorkerLink } from './worker-link.ts';

/** The event store behind its thread: what is asked of it, and what each of its replies says of the channels. */
export class StoreLink {
  readonly channels = new Map<string, ChannelReport>();
  /** Told of what other processes changed. */
  onForeign: (channels: ReadonlySet<string>, reports: readonly ChannelReport[]) => void = () => {};
  readonly #path: string;
  readonly #worker: WorkerLink;

  /** @param opened what came of opening */
  constructor(path: string, worker: WorkerLink, opened: Reply) {
    this.#path = path;
    this.#worker = worker;
    this.#learn(opened);
  }

  async ask(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<Reply> {
    const reply = await this.#worker.ask(request, transfer);
    this.#learn(reply);
    return reply;
  }

  /** @throws HYD_OUTBOX */
  async query(request: Request): Promise<unknown> {
    const reply = await this.ask(request);
    if (reply.failure) throw outboxError(this.#path, 'read', reply.failure);
    return reply.result;
  }

  end(): Promise<void> {
    return this.#worker.end();
  }

  giveUp(): void {
    this.#worker.giveUp();
  }

  #learn({ reports, foreign }: Reply): void {
    for (const report of reports) this.channels.set(report.name, report);
    if (foreign.length > 0) this.onForeign(new Set(foreign), reports);
  }
}
