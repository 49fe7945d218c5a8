import { createHmac, randomBytes } from 'node:crypto';

const MAX_LOGINS = 10_000;

/**
 * Logins that were found good, so that a client that comes back costs no slow hash. Kept are hashes under a key that only this process has;
 * the account's stored hash goes into them, so that another password makes them worthless.
 */
export class VerifiedLogins {
  readonly #key = randomBytes(32);
  readonly #known = new Set<string>();

  /** What a login is remembered under. */
  keyOf(user: string, password: Uint8Array, stored: string): string {
    return createHmac('sha256', this.#key).update(`${user}\n${stored}\n`).update(password).digest('base64');
  }

  has(key: string): boolean {
    if (!this.#known.delete(key)) return false;
    this.#known.add(key);
    return true;
  }

  /** Beyond 10 000 the one not used for longest is forgotten. */
  add(key: string): void {
    if (this.#known.size >= MAX_LOGINS) this.#known.delete(this.#known.values().next().value!);
    this.#known.add(key);
  }
}
