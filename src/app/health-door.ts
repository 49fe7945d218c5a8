import { createHealthServer, type HealthOptions } from '../http/health-server.ts';
import type { Config } from './config-schema.ts';
import { listen, listenerUrl } from './listen.ts';

/**
 * Opens `health.port`, if there is one.
 * @param closing closes it again
 * @returns its URL
 * @throws HYD_PORT_BUSY; HYD_CONFIG when the address cannot be bound
 */
export async function openHealthDoor(
  { host, port }: Config['health'],
  answers: HealthOptions,
  closing: AsyncDisposableStack,
): Promise<string | undefined> {
  if (port === undefined) return undefined;
  const server = createHealthServer(answers);
  closing.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  return listenerUrl('http', host, await listen(server, { key: 'health', host, port }));
}
