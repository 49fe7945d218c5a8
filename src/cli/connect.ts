import { type Client, connectClient } from '../mqtt/client.ts';
import type { ClientOptions } from '../mqtt/client-options.ts';
import type { Connecting } from './connection-options.ts';

/**
 * Connects as the options of a command say. The signal ends connecting only: afterwards `close()` takes leave with a DISCONNECT,
 * so that no will is sent for somebody who pressed Ctrl-C.
 */
export async function connect(target: Connecting, signal: AbortSignal, more: Partial<ClientOptions> = {}): Promise<Client> {
  const connecting = new AbortController();
  const stop = (): void => connecting.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await connectClient({
      url: target.url,
      clientId: target.clientId || undefined,
      version: target.version,
      username: target.username,
      password: target.password,
      keepAliveSeconds: target.keepAliveS,
      connectTimeoutMs: target.connectTimeoutMs,
      sessionExpirySeconds: target.sessionExpiryS,
      tls: target.tls,
      will: target.will,
      signal: connecting.signal,
      ...more,
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
