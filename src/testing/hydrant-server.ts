import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StoredEvent } from '../wire/event.ts';
import { decodeLine } from '../wire/line.ts';
import { Child, type Exit, type Output, run } from './child.ts';
import { parseReady, RunningHydrant } from './running-hydrant.ts';
import { createTempFolder, type TempFolder } from './temp-folder.ts';

/** The command under test: `HYDRANT_BIN`, default `bin/hydrant` of this project. */
export const HYDRANT_BIN = process.env.HYDRANT_BIN ?? fileURLToPath(new URL('../../bin/hydrant', import.meta.url));

const FREE_PORTS = Object.fromEntries(['mqtt', 'mqtts', 'http', 'https', 'ws', 'wss'].map((name) => [`listeners.${name}.port`, 0]));

export interface HydrantOptions {
  /** Data folder. Default: a new one, removed when the server is disposed. */
  data?: string;
  /** More arguments for `up`. */
  args?: string[];
  /** Settings, each passed as `--set path=value`. */
  set?: Record<string, string | number | boolean>;
  /** Text of a YAML configuration file. */
  config?: string;
  env?: Record<string, string | undefined>;
  /** Program and arguments that the server is run under, such as `['faketime', '-f', '…']`. */
  under?: string[];
  /** Milliseconds until the ready line, default 20 000. */
  readyTimeoutMs?: number;
}

interface ReadyLine {
  event: 'ready';
  data: string;
  listeners: { mqtt: string; ws: string; http: string; mqtts?: string; wss?: string; https?: string };
}

/** A running `hydrant up`. */
export class HydrantServer extends RunningHydrant {
  readonly data: string;
  readonly mqttUrl: string;
  readonly wsUrl: string;
  readonly httpUrl: string;
  /** All open doors, by name. */
  readonly urls: ReadyLine['listeners'];
  readonly mqttPort: number;
  readonly httpPort: number;

  constructor(child: Child, data: string, ready: ReadyLine, folder: TempFolder) {
    super(child, folder);
    this.data = data;
    this.urls = ready.listeners;
    this.mqttUrl = ready.listeners.mqtt;
    this.wsUrl = ready.listeners.ws;
    this.httpUrl = ready.listeners.http;
    this.mqttPort = Number(new URL(this.mqttUrl).port);
    this.httpPort = Number(new URL(this.httpUrl).port);
  }

  get pid(): number {
    return this.child.pid;
  }

  get exited(): Promise<Exit> {
    return this.child.exited;
  }

  /** Prints its log when the test that used it has failed; for `t.after` or `afterEach`. */
  showLogIfFailed(t: { name: string; passed?: boolean }): void {
    if (t.passed === false) console.error(`--- log of the server in "${t.name}"\n${this.child.text()}\n---`);
  }
}

/** Starts `hydrant up` on free ports and resolves when it says that it is ready. */
export async function startHydrant(options: HydrantOptions = {}): Promise<HydrantServer> {
  const folder = await createTempFolder();
  const data = options.data ?? join(folder.path, 'data');
  const args = ['up', '--data', data, ...setArguments({ ...FREE_PORTS, ...options.set })];
  if (options.config !== undefined) {
    const file = join(folder.path, 'hydrant.yaml');
    await writeFile(file, options.config);
    args.push('--config', file);
  }
  args.push(...(options.args ?? []));
  const [command = HYDRANT_BIN, ...before] = [...(options.under ?? []), HYDRANT_BIN];
  const child = new Child(command, [...before, ...args], { env: options.env });
  try {
    const ready = (await child.line(parseReady, options.readyTimeoutMs ?? 20_000, 'its ready line')) as unknown as ReadyLine;
    return new HydrantServer(child, data, ready, folder);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs one `hydrant` command to its end. */
export function runHydrant(
  args: string[],
  options: { env?: Record<string, string>; input?: string; timeoutMs?: number } = {},
): Promise<Output> {
  return run(HYDRANT_BIN, args, options);
}

/** What `hydrant find FILTER --data DIR -o ndjson` prints, decoded. The server on the folder may run or not. */
export function findEvents(data: string, filter = '#', args: string[] = []): Promise<StoredEvent[]> {
  return find([filter, '--data', data, ...args]);
}

/** What `hydrant find … -o ndjson` prints, decoded. */
export async function find(args: string[], env?: Record<string, string>): Promise<StoredEvent[]> {
  const output = await runHydrant(['find', ...args, '-o', 'ndjson'], { env, timeoutMs: 120_000 });
  if (output.code !== 0) throw new Error(`hydrant find ended with ${output.code ?? output.signal}: ${output.stderr}`);
  const lines = output.stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const bytes = Buffer.from(line);
    return decodeLine(bytes, 0, bytes.length);
  });
}

function setArguments(values: Record<string, string | number | boolean>): string[] {
  return Object.entries(values).flatMap(([path, value]) => ['--set', `${path}=${value}`]);
}
