import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child, type Exit } from './child.ts';
import { HYDRANT_BIN, type LogEntry } from './hydrant-server.ts';
import { createTempFolder, type TempFolder } from './temp-folder.ts';

export interface ArchiverOptions {
  /** `--broker`; without one the data folder has a configuration. */
  broker?: string;
  /** Data folder. Default: a new one, removed when the archiver is disposed. */
  data?: string;
  /** More arguments. */
  args?: readonly string[];
  env?: Record<string, string | undefined>;
}

/** A running `hydrant archive`. */
export class HydrantArchiver implements AsyncDisposable {
  readonly child: Child;
  readonly data: string;
  readonly #folder: TempFolder;

  constructor(child: Child, data: string, folder: TempFolder) {
    this.child = child;
    this.data = data;
    this.#folder = folder;
  }

  /** Resolves with its ready line. */
  ready(timeoutMs = 20_000): Promise<LogEntry> {
    return this.logged((entry) => entry.event === 'ready', 'the ready line', timeoutMs);
  }

  /** Resolves with the first log entry, past or to come, that `match` accepts. */
  logged(match: (entry: LogEntry) => boolean, what: string, timeoutMs = 20_000): Promise<LogEntry> {
    const look = (line: string): LogEntry | undefined => {
      const entry = line.startsWith('{') ? (JSON.parse(line) as LogEntry) : undefined;
      return entry && match(entry) ? entry : undefined;
    };
    return this.child.line(look, timeoutMs, what);
  }

  /** Resolves when an event on this topic is in the open segment. */
  async recorded(topic: string, timeoutMs = 30_000): Promise<void> {
    const wanted = `"topic":${JSON.stringify(topic)},`;
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const folder = join(this.data, 'journal');
      for (const name of await readdir(folder).catch(() => []))
        if (name.endsWith('.ndjson') && (await readFile(join(folder, name), 'utf8').catch(() => '')).includes(wanted)) return;
      if (this.child.exit || performance.now() > untilMs) throw new Error(`no event on ${topic} was recorded\n${this.child.text()}`);
      await sleep(20);
    }
  }

  /** Ends it at once, as a crash would. */
  kill(): Promise<Exit> {
    return this.child.kill('SIGKILL');
  }

  /** SIGTERM, then its exit. */
  stop(): Promise<Exit> {
    return this.child.kill('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Starts `hydrant archive`; it need not be ready when this resolves. */
export async function startArchiverProcess(options: ArchiverOptions): Promise<HydrantArchiver> {
  const folder = await createTempFolder('hydrant-archiver');
  const data = options.data ?? join(folder.path, 'data');
  const broker = options.broker === undefined ? [] : ['--broker', options.broker];
  const child = new Child(HYDRANT_BIN, ['archive', ...broker, '--data', data, ...(options.args ?? [])], { env: options.env });
  return new HydrantArchiver(child, data, folder);
}

/** Starts `hydrant archive` and resolves when it has its subscription. */
export async function startArchiver(options: ArchiverOptions): Promise<HydrantArchiver> {
  const archiver = await startArchiverProcess(options);
  try {
    await archiver.ready();
    return archiver;
  } catch (error) {
    await archiver[Symbol.asyncDispose]();
    throw error;
  }
}
