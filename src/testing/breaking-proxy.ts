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
  /** Ends the connection that goes on to carry so many bytes from one side, within a packet or between two. */
  cutAfter(from: 'client' | 'server', bytes: number): void;
}

/** A TCP proxy that breaks as networks do. @param port where it goes to, on the loopback @param ownPort where it listens, default: a free one */
export async function startBreakingProxy(port: number, ownPort = 0): Promise<BreakingProxy> {
  const sockets = new Set<Socket>();
  let isDark = false;
  let connections = 0;
  let darkness = new AbortController();
  const left = { client: Number.POSITIVE_INFINITY, server: Number.POSITIVE_INFINITY };
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
    for (const [side, from, to] of [
      ['client', near, far],
      ['server', far, near],
    ] as const) {
      from.on('data', (bytes) => {
        if (signal.aborted) return;
        left[side] -= bytes.length;
        if (left[side] >= 0) return void to.write(bytes);
        to.end(bytes.subarray(0, left[side]));
        from.destroy();
        left[side] = Number.POSITIVE_INFINITY;
      });
      from.on('close', () => {
        if (!signal.aborted) to.destroy();
      });
    }
  }).listen(ownPort, '127.0.0.1');
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
    cutAfter(from, bytes) {
      left[from] = bytes;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
