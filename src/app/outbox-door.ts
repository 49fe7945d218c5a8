import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs';
import { type AddressInfo, connect, type Server } from 'node:net';
import { errorText, HydrantError, systemCode } from '../core/errors.ts';
import { type FileLock, lockFile } from '../core/file-lock.ts';
import { listenerUrl } from './listen.ts';

/** Where local programs reach an outbox. */
export type OutboxDoor = { path: string; mode: number } | { host: string; port: number };

/** What the system calls of a socket take: sockaddr_un of Linux has 108 bytes, of macOS 104, one of them the end. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/**
 * Lets a server listen. A socket file that nobody listens on any more is replaced.
 * @returns where, as `unix:PATH` or a URL, and what is to be released after the server was closed
 * @throws HYD_PORT_BUSY, HYD_USAGE
 */
export async function openOutboxDoor(server: Server, door: OutboxDoor): Promise<{ address: string; release(): void }> {
  if ('path' in door) {
    const lock = await listenOnSocket(server, door);
    return { address: `unix:${door.path}`, release: () => lock.release() };
  }
  const { host, port } = door;
  await listening(server, () => server.listen({ host, port }), `${host}:${port}`);
  return { address: listenerUrl('http', host, (server.address() as AddressInfo).port), release: () => {} };
}

async function listenOnSocket(server: Server, { path, mode }: { path: string; mode: number }): Promise<FileLock> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new HydrantError('HYD_USAGE', `the path of the socket ${path} has more than ${MAX_PATH_BYTES} bytes`, {
      fix: 'Give a shorter one: --listen unix:/run/outbox.sock',
    });
  const lock = takeLock(path);
  try {
    await removeStale(path);
    await listening(
      server,
      () => {
        // The file is nobody else's from its first moment on.
        const before = process.umask(0o177);
        server.listen({ path });
        process.umask(before);
      },
      `unix:${path}`,
    );
    chmodSync(path, mode);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function takeLock(path: string): FileLock {
  let lock: FileLock | undefined;
  try {
    lock = lockFile(`${path}.lock`);
  } catch (cause) {
    throw cannotListen(`unix:${path}`, cause);
  }
  if (!lock) throw isBusy(`unix:${path}`);
  return lock;
}

/** @throws HYD_PORT_BUSY when somebody listens there, HYD_USAGE when it is no socket */
async function removeStale(path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket())
    throw new HydrantError('HYD_USAGE', `${path} is there, and it is no socket`, { fix: 'Give another path: --listen unix:PATH' });
  const socket = connect(path);
  const isTaken = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  if (isTaken) throw isBusy(`unix:${path}`);
  unlinkSync(path);
}

async function listening(server: Server, listen: () => void, where: string): Promise<void> {
  try {
    listen();
    await once(server, 'listening');
  } catch (cause) {
    throw systemCode(cause) === 'EADDRINUSE' ? isBusy(where) : cannotListen(where, cause);
  }
}

function isBusy(where: string): HydrantError {
  return new HydrantError('HYD_PORT_BUSY', `somebody listens on ${where} already`, {
    fix: 'Use that one, stop it, or give another place with --listen (127.0.0.1:0 for a free port).',
  });
}

function cannotListen(where: string, cause: unknown): HydrantError {
  return new HydrantError('HYD_USAGE', `cannot listen on ${where}: ${errorText(cause)}`, {
    cause,
    fix: 'Give a place that this account may listen on: --listen unix:PATH or 127.0.0.1:PORT.',
  });
}
