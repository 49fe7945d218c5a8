import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAccounts } from '../access/password-file.ts';
import { hashPassword } from '../access/password-hash.ts';

const hashes = new Map<string, string>();

/** Writes the accounts of a data folder, name and password; the same password has the same hash each time. */
export async function writeUsers(dataDir: string, users: Record<string, string>): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await writeAccounts(join(dataDir, 'users'), new Map(Object.entries(users).map(([name, password]) => [name, hashOf(password)])));
}

function hashOf(password: string): string {
  const hash = hashes.get(password) ?? hashPassword(Buffer.from(password));
  hashes.set(password, hash);
  return hash;
}
