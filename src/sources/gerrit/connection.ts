import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Client, ConnectConfig, ServerHostKeyAlgorithm } from 'ssh2';
import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import { fingerprint, KnownHosts, keyType, type Verdict } from './known-hosts.ts';
import type { GerritOptions } from './options.ts';

export type ConnectionOptions = Pick<
  GerritOptions,
  'host' | 'port' | 'user' | 'key' | 'knownHosts' | 'hostKeyCheck' | 'keepAlive' | 'silence'
>;

/** What proves who we are. */
export type Identity = Pick<ConnectConfig, 'privateKey' | 'passphrase' | 'agent'>;

const KEY_TYPES = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa'];

/** @throws HYD_SOURCE */
export async function openSocket({ host, port, silence }: ConnectionOptions, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  const timed = AbortSignal.any([signal, AbortSignal.timeout(silence)]);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
      timed.addEventListener('abort', () => reject(timed.reason), { once: true });
    });
    return socket;
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throw new HydrantError('HYD_SOURCE', `${host}:${port} cannot be reached: ${systemCode(error) ?? errorText(error)}`, {
      cause: error,
      fix: 'Check `host` and `port` (29418 unless Gerrit was told another), and that no firewall is between.',
    });
  }
}

/**
 * Checks the server's key and logs in. The socket is closed when that fails.
 * @returns the connection and the fingerprint of the server's key
 * @throws HYD_SOURCE
 */
export async function login(
  socket: Socket,
  options: ConnectionOptions,
  identity: Identity,
  signal: AbortSignal,
): Promise<{ client: Client; shown: string }> {
  const { Client } = (await import('ssh2')).default;
  const known = options.hostKeyCheck === 'strict' ? await readKnownHosts(options) : undefined;
  const client = new Client();
  let key: Buffer | undefined;
  let verdict: Verdict | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      client.once('ready', resolve).once('error', reject);
      client.once('close', () => reject(new Error('the server ended the connection')));
      client.connect({
        ...identity,
        sock: socket,
        username: options.user,
        readyTimeout: options.silence,
        keepaliveInterval: options.keepAlive,
        // Silence is watched by what comes in, whatever it is.
        keepaliveCountMax: Number.MAX_SAFE_INTEGER,
        algorithms: { serverHostKey: orderKeys(known?.types ?? []) },
        hostVerifier(shown: Buffer) {
          key = shown;
          verdict = known?.check(shown) ?? { is: 'known' };
          return verdict.is === 'known';
        },
      });
    });
    return { client, shown: fingerprint(key!) };
  } catch (error) {
    client.on('error', () => {}).destroy();
    socket.destroy();
    if (key && verdict && verdict.is !== 'known') throw hostKeyError(options, key, verdict);
    throw loginError(options, identity, error);
  }
}

async function readKnownHosts(options: ConnectionOptions): Promise<KnownHosts> {
  let text = '';
  try {
    text = await readFile(knownHostsPath(options), 'utf8');
  } catch (error) {
    if (systemCode(error) !== 'ENOENT')
      throw new HydrantError('HYD_SOURCE', `${knownHostsPath(options)} cannot be read: ${errorText(error)}`, {
        cause: error,
        fix: 'Let the user that runs Hydrant read the file, or name another in `knownHosts`.',
      });
  }
  return new KnownHosts(text, options.host, options.port);
}

function knownHostsPath({ knownHosts }: ConnectionOptions): string {
  return knownHosts ?? join(homedir(), '.ssh', 'known_hosts');
}

/** Those that are written down come first, so that the server shows one of them. */
function orderKeys(known: readonly string[]): ServerHostKeyAlgorithm[] {
  const types = [...known.filter((type) => KEY_TYPES.includes(type)), ...KEY_TYPES.filter((type) => !known.includes(type))];
  return types.flatMap((type) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type])) as ServerHostKeyAlgorithm[];
}

function hostKeyError(options: ConnectionOptions, key: Buffer, verdict: Exclude<Verdict, { is: 'known' }>): HydrantError {
  const { host, port } = options;
  const path = knownHostsPath(options);
  const shown = `${host}:${port} shows the ${keyType(key)} key ${fingerprint(key)}`;
  const scan = `ssh-keyscan -p ${port} -t ${keyType(key).replace(/^ssh-|-sha2-nistp\d+$/g, '')} ${host} >> ${path}`;
  const compare = `Compare the fingerprint with the one that its administrators tell you. If it is theirs:`;
  if (verdict.is === 'revoked')
    return new HydrantError('HYD_SOURCE', `${shown}, which line ${verdict.line} of ${path} revokes`, {
      fix: 'Do not connect: ask the administrators of the server which key it has now.',
    });
  if (verdict.is === 'changed')
    return new HydrantError('HYD_SOURCE', `${shown}, and line ${verdict.line} of ${path} has another: somebody may be in between`, {
      fix: `${compare} ssh-keygen -f ${path} -R '${port === 22 ? host : `[${host}]:${port}`}' && ${scan}`,
    });
  return new HydrantError('HYD_SOURCE', `${shown}, which is not in ${path}`, { fix: `${compare} ${scan}` });
}

function loginError({ host, port, user, key, silence }: ConnectionOptions, identity: Identity, error: unknown): HydrantError {
  const what = `${user}@${host}:${port}`;
  const level = (error as { level?: unknown } | null)?.level;
  if (level === 'client-authentication' || level === 'agent') {
    const shown = key ?? `any of the keys of the agent at ${String(identity.agent)}`;
    return new HydrantError('HYD_SOURCE', `${what} does not accept ${shown}`, {
      cause: error,
      fix: `Add the public key${key ? ` (ssh-keygen -y -f ${key})` : ''} to the account in Gerrit under Settings, SSH Keys, and check \`user\`: it is the account's username.`,
    });
  }
  const why = level === 'client-timeout' ? `no answer within ${silence} ms` : errorText(error);
  return new HydrantError('HYD_SOURCE', `${what}: no SSH connection: ${why}`, {
    cause: error,
    fix: `Check that Gerrit's SSH listens at \`port\`: ssh -p ${port} ${user}@${host} gerrit version`,
  });
}
