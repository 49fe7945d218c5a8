import { execFile, execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { resultsFolder } from './results.ts';

/** One run of the load generator; the shape of its command line (bench/mbench.c). */
export interface Load {
  publishers: number;
  subscribers: number;
  qos: 0 | 1 | 2;
  bytes: number;
  window: number;
  /** Topics that the messages take turns on. Default: one for each publisher. */
  topics?: number;
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
}

const source = new URL('mbench.c', import.meta.url).pathname;
const binary = join(resultsFolder, 'mbench');

/** Compiles bench/mbench.c when it is newer than the binary. */
export function buildGenerator(): void {
  const built = statSync(binary, { throwIfNoEntry: false });
  if (built && built.mtimeMs > statSync(source).mtimeMs) return;
  execFileSync('gcc', ['-O2', '-Wall', '-o', binary, source], { stdio: 'inherit' });
}

export async function generate(port: number, load: Load, count: number): Promise<LoadResult> {
  const { publishers, subscribers, qos, bytes, window, topics } = load;
  const args = [port, publishers, subscribers, qos, bytes, count, window, 0, 'bench/#', topics ?? 0].map(String);
  const { stdout } = await promisify(execFile)(binary, args);
  return JSON.parse(stdout) as LoadResult;
}
