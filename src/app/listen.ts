import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { errorText, HydrantError, systemCode } from '../core/errors.ts';

/**
 * Binds a server and resolves with its real port.
 * @param at.key the configuration section of host and port, named in the error
 * @throws HYD_PORT_BUSY, HYD_CONFIG when the address cannot be bound at all
 */
export async function listen(server: Server, at: { key: string; host: string; port: number }): Promise<number> {
  const { key, host, port } = at;
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    if (systemCode(error) === 'EADDRINUSE') {
      throw new HydrantError('HYD_PORT_BUSY', `port ${port} on ${host} (${key}.port) is in use by another program`, {
        cause: error,
        fix: `Stop the other program, or choose another port: --set ${key}.port=${port + 1} (0 picks a free one).`,
      });
    }
    if (systemCode(error) === 'EACCES') {
      throw new HydrantError('HYD_CONFIG', `this account may not listen on port ${port} on ${host} (${key}.port)`, {
        cause: error,
        fix: `Give it the capability (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a port from 1024 on: --set ${key}.port=${port + 8000}.`,
      });
    }
    throw new HydrantError('HYD_CONFIG', `cannot listen on ${host} port ${port} (${key}): ${errorText(error)}`, {
      cause: error,
      fix: `Choose an address of this machine and a port this account may use: --set ${key}.host=127.0.0.1 --set ${key}.port=0.`,
    });
  }
  return (server.address() as AddressInfo).port;
}

/** `mqtt://127.0.0.1:1883`; an IPv6 address gets its brackets. */
export function listenerUrl(scheme: string, host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
