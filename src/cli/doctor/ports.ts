import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { systemCode } from '../../core/errors.ts';
import { type Finding, fail, ok } from './check.ts';

/**
 * Whether `up` could listen there, and who does when not.
 * @param flag the configuration's path of the port, named in the fix
 */
export async function checkPort(name: string, host: string, port: number, flag: string): Promise<Finding> {
  if (port === 0) return ok(name, 'any free port');
  const code = await tryListen(host, port);
  if (code === undefined) return ok(name, `${host}:${port} is free`);
  const elsewhere = `choose another port: --set ${flag}=0 (0 picks a free one).`;
  if (code === 'EADDRINUSE') {
    const holder = await portHolder(port);
    return fail(name, `${host}:${port} is held by ${holder ?? 'another program'}`, `Stop it, or ${elsewhere}`);
  }
  if (code === 'EACCES') return fail(name, `${host}:${port} needs more rights`, `Run it with CAP_NET_BIND_SERVICE, or ${elsewhere}`);
  return fail(name, `${host}:${port} cannot be bound: ${code}`, `Correct the address, or ${elsewhere}`);
}

async function tryListen(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  server.once('error', (error) => resolve(systemCode(error) ?? String(error)));
  server.listen({ host, port, exclusive: true }, () => resolve(undefined));
  const code = await promise;
  if (code === undefined) await new Promise((done) => server.close(done));
  return code;
}

/** `mosquitto (process 812)`: who listens on a TCP port of this machine. Linux only; undefined when it is not ours to see. */
async function portHolder(port: number): Promise<string | undefined> {
  const inode = (await listeningInode('/proc/net/tcp', port)) ?? (await listeningInode('/proc/net/tcp6', port));
  if (inode === undefined) return undefined;
  const wanted = `socket:[${inode}]`;
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      if ((await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')) !== wanted) continue;
      const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'a program')).trim();
      return `${name} (process ${pid})`;
    }
  }
  return undefined;
}

async function listeningInode(table: string, port: number): Promise<string | undefined> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  for (const line of (await readFile(table, 'utf8').catch(() => '')).split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1]?.endsWith(`:${hex}`) && fields[3] === '0A') return fields[9];
  }
  return undefined;
}
