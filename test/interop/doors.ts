import { after } from 'node:test';
import { createTestAuthority } from '../../src/testing/certificates.ts';
import type { HydrantOptions, HydrantServer } from '../../src/testing/hydrant-server.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

export interface Door {
  name: 'tcp' | 'tls' | 'ws' | 'wss';
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, with a port. */
  url: string;
  port: string;
  /** Path of the authority to trust, at the doors with TLS. */
  caFile: string | undefined;
}

/** One server with all four doors open, for all tests of a file. Its certificate is the authority's `server`. */
export async function shareDoors(options: HydrantOptions = {}): Promise<{ server: HydrantServer; doors: Door[]; authorityPath: string }> {
  const authority = await createTestAuthority();
  after(() => authority[Symbol.asyncDispose]());
  const { cert, key } = await authority.server();
  const server = await shareServer({ ...options, set: { ...options.set, 'tls.cert': cert, 'tls.key': key } });
  const { mqtt, mqtts, ws, wss } = server.urls;
  const door = (name: Door['name'], url: string | undefined, caFile?: string): Door => {
    if (url === undefined) throw new Error(`the server has no door for ${name}`);
    return { name, url, port: new URL(url).port, caFile };
  };
  const doors = [door('tcp', mqtt), door('tls', mqtts, authority.ca), door('ws', ws), door('wss', wss, authority.ca)];
  return { server, doors, authorityPath: authority.path };
}
