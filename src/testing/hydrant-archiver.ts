import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from './child.ts';
import { HYDRANT_BIN } from './hydrant-server.ts';
import { type LogEntry, parseReady, RunningHydrant } from './running-hydrant.ts';
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
export class HydrantArchiver extends RunningHydrant {
  readonly data: string;

  constructor(child: Child, data: string, folder: TempFolder) {
    super(child, folder);
    this.data = data;
  }

  /** Resolves with its ready line. */
  ready(timeoutMs = 20_000): Promise<LogEntry> {
    return this.child.line(parseReady, timeoutMs, 'the ready line');
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
