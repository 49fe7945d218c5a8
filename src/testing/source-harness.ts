import { join } from 'node:path';
import type { Log } from '../core/log.ts';
import type { EventCheck } from '../sources/catalogue/event-check.ts';
import { type OpenSource, openSource } from '../sources/run/open-source.ts';
import { testSource as stepsOf } from '../sources/run/test-source.ts';
import type { SourceKind, TestStep } from '../sources/source.ts';
import type { Event } from '../wire/event.ts';
import { MemoryBus } from './memory-bus.ts';
import { createTempFolder } from './temp-folder.ts';

/** One source with its outbox and cursor in a folder, publishing to a bus in memory; `stop` and `start` are a restart of the process. */
export class SourceHarness<Options> implements AsyncDisposable {
  readonly bus = new MemoryBus();
  readonly folder: string;
  readonly logged: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  readonly #kind: SourceKind<Options>;
  readonly #options: Options;
  readonly #check: EventCheck;
  readonly #more: { strict?: boolean; random?: () => number };
  readonly #dispose: () => Promise<void>;
  #source: OpenSource | undefined;
  #abort = new AbortController();
  /** The run of now: settles as `run` does. */
  running: Promise<void> = Promise.resolve();

  constructor(
    kind: SourceKind<Options>,
    options: Options,
    folder: string,
    dispose: () => Promise<void>,
    check: EventCheck,
    more: { strict?: boolean; random?: () => number },
  ) {
    this.#more = more;
    this.#kind = kind;
    this.#options = options;
    this.folder = folder;
    this.#dispose = dispose;
    this.#check = check;
  }

  get source(): OpenSource {
    return this.#source!;
  }

  get events(): readonly Event[] {
    return this.bus.events;
  }

  async start(): Promise<void> {
    const log: Log = (level, message, fields = {}) => void this.logged.push({ level, message, fields });
    const source = await openSource({
      kind: this.#kind,
      options: this.#options,
      name: this.#kind.name,
      folder: join(this.folder, 'source'),
      bus: { bus: this.bus },
      check: this.#check,
      ...this.#more,
      log,
    });
    this.#source = source;
    this.#abort = new AbortController();
    this.running = source.run(this.#abort.signal);
    this.running.catch(() => {});
  }

  /** Ends the run and closes; the folder stays. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.running.catch(() => {});
    await this.#source?.close({ deadlineMs: 5000 });
    this.#source = undefined;
  }

  /** Resolves once so many events have arrived on the bus. */
  seen(count: number): Promise<void> {
    return this.bus.seen(count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#dispose();
  }
}

/** Parses the options as a configuration would, and starts. */
export async function startSource<Options>(
  kind: SourceKind<Options>,
  options: unknown,
  check: EventCheck = () => undefined,
  more: { strict?: boolean; random?: () => number } = {},
): Promise<SourceHarness<Options>> {
  const folder = await createTempFolder();
  const harness = new SourceHarness(kind, kind.options.parse(options), folder.path, async () => folder[Symbol.asyncDispose](), check, more);
  await harness.start();
  return harness;
}

/** The steps of `hydrant source test`. */
export async function testSource<Options>(kind: SourceKind<Options>, options: unknown): Promise<TestStep[]> {
  const steps: TestStep[] = [];
  for await (const step of stepsOf({ kind, options: kind.options.parse(options), name: kind.name }, new AbortController().signal))
    steps.push(step);
  return steps;
}
