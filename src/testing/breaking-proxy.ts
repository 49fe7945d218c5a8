import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface BreakingProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that it has taken so far. */
  readonly connections: number;
  /** Connections open now get no byte through any more and are not closed; new ones are taken and stay silent. */
  blackhole(): void;
  /** New connections go through again; those in the black hole stay there. */
  heal(): void;
  /** Resets every connection. */
  cut(): void;
}

/** A TCP proxy that breaks as networks do. @param port where it goes to, on the loopback */
export async function startBreakingProxy(port: number): Promise<BreakingProxy> {
  const sockets = new Set<Socket>();
  let isDark = false;
  let connections = 0;
  let darkness = new AbortController();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    connections++;
    keep(near);
    if (isDark) return void near.resume();
    const far = connect(port, '127.0.0.1');
    keep(far);
    const { signal } = darkness;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes) => {
        if (!signal.aborted) to.write(bytes);
      });
      from.on('close', () => {
        if (!signal.aborted) to.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    blackhole() {
      isDark = true;
      darkness.abort();
    },
    heal() {
      isDark = false;
      darkness = new AbortController();
    },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
