import { readFile } from 'node:fs/promises';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { Identity } from './connection.ts';
import type { GerritOptions } from './options.ts';

/** @throws HYD_CONFIG for a key that cannot be read or unlocked, and where there is neither key nor agent */
export async function readIdentity({
  key,
  keyPassphrase,
  agent,
}: Pick<GerritOptions, 'key' | 'keyPassphrase' | 'agent'>): Promise<Identity> {
  const privateKey = key === undefined ? undefined : await readKey(key, keyPassphrase);
  const socket = typeof agent === 'string' && agent !== 'true' ? agent : process.env.SSH_AUTH_SOCK;
  const isAgentUsed = agent === undefined ? key === undefined : agent !== false;
  if (isAgentUsed && !socket)
    throw new HydrantError('HYD_CONFIG', agent === undefined ? 'there is no key to log in with' : 'SSH_AUTH_SOCK names no SSH agent', {
      fix: "Give the file of a private key in `key`, or the path of an agent's socket in `agent`.",
    });
  if (!privateKey && !isAgentUsed)
    throw new HydrantError('HYD_CONFIG', 'there is no key to log in with', { fix: 'Give the file of a private key in `key`.' });
  return {
    ...(privateKey && { privateKey }),
    ...(keyPassphrase !== undefined && { passphrase: keyPassphrase }),
    ...(isAgentUsed && socket && { agent: socket }),
  };
}

async function readKey(path: string, passphrase: string | undefined): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new HydrantError('HYD_CONFIG', `the key ${path} cannot be read: ${errorText(error)}`, {
      cause: error,
      fix: 'Name the file of the private key in `key`, and let the user that runs Hydrant read it.',
    });
  }
  const { utils } = (await import('ssh2')).default;
  const parsed = utils.parseKey(bytes, passphrase);
  if (parsed instanceof Error) {
    const isLocked = /encrypted|passphrase|bad decrypt|integrity/i.test(parsed.message);
    const fix = isLocked
      ? 'Give its passphrase in `keyPassphrase`, or in a file that `keyPassphraseFile` names, or use an agent that has the key.'
      : 'Give a private key of OpenSSH: ssh-keygen -t ed25519 makes one.';
    throw new HydrantError('HYD_CONFIG', `the key ${path} cannot be used: ${parsed.message}`, { cause: parsed, fix });
  }
  if (![parsed].flat().some((one) => one.isPrivateKey()))
    throw new HydrantError('HYD_CONFIG', `the key ${path} is a public one`, {
      fix: 'Name the private key in `key`, mostly the file of the same name without .pub.',
    });
  return bytes;
}
