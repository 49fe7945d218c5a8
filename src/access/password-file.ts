import { readFileSync } from 'node:fs';
import { writeFileAtomic } from '../core/atomic-file.ts';
import { errorText, HydrantError, systemCode } from '../core/errors.ts';
import { accountFault } from './account-name.ts';
import { isPasswordHash } from './password-hash.ts';

/** Hashes by account name. */
export type Accounts = ReadonlyMap<string, string>;

/**
 * Reads a password file: one `name:hash` a line, `#` and empty lines apart. The hashes are ours or Mosquitto's.
 * @returns undefined when there is no such file
 * @throws HYD_CONFIG with the line at fault; the hash is never named
 */
export function readAccounts(path: string): Accounts | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new HydrantError('HYD_CONFIG', `cannot read the accounts ${path}: ${errorText(error)}`, {
      cause: error,
      fix: 'Let the file belong to the user that the server runs as.',
    });
  }
  return parseAccounts(text, path);
}

/** @param path named in errors */
export function parseAccounts(text: string, path: string): Accounts {
  const accounts = new Map<string, string>();
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    const fault = colon === -1 ? 'expected name:hash' : lineFault(name, line.slice(colon + 1), accounts);
    if (fault) {
      throw new HydrantError('HYD_CONFIG', `${path}:${at + 1}: ${fault}`, {
        fix: `Correct that line, or remove it and run \`hydrant user add NAME\`.`,
      });
    }
    accounts.set(name, line.slice(colon + 1));
  }
  return accounts;
}

function lineFault(name: string, hash: string, before: Accounts): string | undefined {
  if (before.has(name)) return `there are two accounts ${JSON.stringify(name)}`;
  if (!isPasswordHash(hash)) return `the password of ${JSON.stringify(name)} is not a hash that Hydrant or Mosquitto writes`;
  return accountFault(name);
}

/** Replaces the file, so that a crash leaves the old one or the new one. Mode 0600. */
export function writeAccounts(path: string, accounts: Accounts): Promise<void> {
  return writeFileAtomic(path, Array.from(accounts, ([name, hash]) => `${name}:${hash}\n`).join(''));
}
