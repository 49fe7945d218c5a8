import { after, afterEach } from 'node:test';
import { type HydrantOptions, type HydrantServer, startHydrant } from './hydrant-server.ts';

/** One server for all tests of a file: stopped after the last one, its log shown for each that fails. */
export async function shareServer(options: HydrantOptions = {}): Promise<HydrantServer> {
  const server = await startHydrant(options);
  after(() => server[Symbol.asyncDispose]());
  afterEach((t) => server.showLogIfFailed(t as { name: string; passed?: boolean }));
  return server;
}
