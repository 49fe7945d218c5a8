import { execFile, execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { resultsFolder } from './results.ts';
import type { Server } from './servers.ts';

/** One run of the load generator; the names are those of its command line (bench/mbench.c). */
export interface Load {
  publishers: number;
  subscribers: number;
  qos: 0 | 1 | 2;
  bytes: number;
  window: number;
  /** Messages a second, whatever is outstanding, instead of the window. */
  rate?: number;
  /** Topics that the messages take turns on. Default: one for each publisher. */
  topics?: number;
  /** First levels that they take turns on too: `sites` × `topics` topics when the two have no common divisor. */
  sites?: number;
  /** Each subscriber takes one topic of its own instead of all. */
  own?: boolean;
  /** Filters with wildcards of each subscriber. */
  filters?: number;
  /** How many of all those filters match each topic. Default 1. */
  matches?: number;
  /** More subscribers, which subscribe and then read no more. */
  stalled?: number;
  /** Every client sends a PINGREQ this often, seconds. */
  ping?: number;
  /** Subscribers do not start clean and are the same clients in every run with this number. */
  session?: number;
}

/** What it saw. `dlv_per_s` counts each delivery to each subscriber. */
export interface LoadResult {
  published: number;
  lost: number;
  dups: number;
  secs: number;
  pub_per_s: number;
  dlv_per_s: number;
  p50ms: number;
  p99ms: number;
  /** Until every client was connected and subscribed. */
  connect_s: number;
  /** Time of the server's main thread while messages went through it. */
  cpu_s: number;
  /** Resident memory of the server at its highest, from the first connection on. */
  peak_mb: number;
}

const source = new URL('mbench.c', import.meta.url).pathname;
const binary = join(resultsFolder, 'mbench');

/** Compiles bench/mbench.c when it is newer than the binary. */
export function buildGenerator(): void {
  const built = statSync(binary, { throwIfNoEntry: false });
  if (built && built.mtimeMs > statSync(source).mtimeMs) return;
  execFileSync('gcc', ['-O2', '-Wall', '-o', binary, source], { stdio: 'inherit' });
}

export async function generate({ mqttPort: port, pid }: Server, load: Load, count: number): Promise<LoadResult> {
  const options = Object.entries({ port, pid, count, ...load });
  const { stdout } = await promisify(execFile)(
    binary,
    options.map(([name, value]) => `${name}=${Number(value)}`),
  );
  return JSON.parse(stdout) as LoadResult;
}
