import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { HydrantError } from '../../core/errors.ts';

export interface TemporaryServer extends AsyncDisposable {
  url: string;
}

const READY_MS = 20_000;

/** A Hydrant of its own in another process, on a data folder that goes with it. */
export async function startTemporaryServer(signal: AbortSignal): Promise<TemporaryServer> {
  const data = await mkdtemp(join(tmpdir(), 'hydrant-bench-'));
  const args = [process.argv[1]!, 'up', '--data', data, '--set', 'listeners.mqtt.port=0', '--set', 'listeners.http.port=0'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await rm(data, { recursive: true, force: true });
  };
  const ready = Promise.withResolvers<string>();
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  createInterface(child.stdout).on('line', (line) => {
    const entry = line.includes('"ready"') ? (JSON.parse(line) as { event?: string; listeners: { mqtt: string } }) : undefined;
    if (entry?.event === 'ready') ready.resolve(entry.listeners.mqtt);
  });
  void exited.then(() => ready.reject(new HydrantError('HYD_CONNECT', `the temporary server ended at once: ${errors.trim()}`)));
  const timer = setTimeout(() => ready.reject(new HydrantError('HYD_TIMEOUT', 'the temporary server is not ready')), READY_MS);
  const onAbort = (): void => ready.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return { url: await ready.promise, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
