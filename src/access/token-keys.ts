import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JSONWebKeySet } from 'jose';
import { type Clock, systemClock } from '../core/clock.ts';
import { errorText, HydrantError } from '../core/errors.ts';
import { type Log, silentLog } from '../core/log.ts';

/** Public keys that tokens are signed with. */
export interface TokenKeys {
  /** @throws HYD_BUSY when there are none to be had now */
  get(): Promise<JSONWebKeySet>;
  /** A token names a key that is not among them: looks for newer ones. False: there are none. */
  refresh(): Promise<boolean>;
}

const TIMEOUT_MS = 5000;
const MAX_BYTES = 1024 ** 2;
/** Keys are looked for again when they are this old, and never twice within the second time. */
const MAX_AGE_MS = 600_000;
const MIN_PAUSE_MS = 30_000;

/**
 * Reads a JWKS or the public keys and certificates of a PEM file.
 * @throws HYD_CONFIG
 */
export function readKeyFile(path: string): TokenKeys {
  let set: JSONWebKeySet;
  try {
    const text = readFileSync(path, 'utf8');
    set = text.includes('-----BEGIN') ? parsePem(text) : parseSet(text);
  } catch (error) {
    throw new HydrantError('HYD_CONFIG', `access.jwt.keys ${path}: ${errorText(error)}`, {
      fix: 'Give a file with a JSON Web Key Set, or with public keys or certificates in PEM.',
    });
  }
  return { get: async () => set, refresh: async () => false };
}

function parsePem(text: string): JSONWebKeySet {
  if (/PRIVATE KEY/.test(text)) throw new Error('it has a private key, which belongs to the issuer alone');
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g) ?? [];
  return { keys: blocks.map((pem) => createPublicKey(pem).export({ format: 'jwk' }) as JSONWebKeySet['keys'][number]) };
}

function parseSet(text: string): JSONWebKeySet {
  const set = JSON.parse(text) as Partial<JSONWebKeySet> | null;
  if (!Array.isArray(set?.keys)) throw new Error('it is not a JSON Web Key Set: it has no list of keys');
  const keys = set.keys.filter((key) => key?.kty !== 'oct');
  if (keys.length === 0) throw new Error('it has no public key');
  return { keys };
}

/** Keys of an issuer on the network. They are kept while it does not answer, and fetched anew for a key that is unknown. */
export class RemoteKeys implements TokenKeys {
  readonly url: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #set: JSONWebKeySet | undefined;
  #fetchedMs = 0;
  #triedMs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<boolean> | undefined;

  constructor(url: string, options: { clock?: Clock; log?: Log } = {}) {
    this.url = url;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
  }

  async get(): Promise<JSONWebKeySet> {
    if (this.#set && this.#clock.now() - this.#fetchedMs > MAX_AGE_MS) void this.refresh();
    if (!this.#set) await this.refresh();
    if (!this.#set) throw new HydrantError('HYD_BUSY', 'the keys of the token issuer could not be fetched');
    return this.#set;
  }

  refresh(): Promise<boolean> {
    if (this.#fetching) return this.#fetching;
    const nowMs = this.#clock.now();
    // Without any keys every token would wait for the pause, so the first ones are tried for more often.
    if (nowMs - this.#triedMs < (this.#set ? MIN_PAUSE_MS : MIN_PAUSE_MS / 10)) return Promise.resolve(false);
    this.#triedMs = nowMs;
    this.#fetching = this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<boolean> {
    try {
      const response = await fetch(this.url, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: 'error',
        headers: { accept: 'application/json' },
      });
      if (!response.ok) throw new Error(`it answers ${response.status}`);
      const set = parseSet(await readText(response));
      this.#set = set;
      this.#fetchedMs = this.#clock.now();
      return true;
    } catch (error) {
      const kept = this.#set ? 'those fetched before stay in force' : 'no token is taken until they can be';
      this.#log('error', `the keys of the token issuer could not be fetched; ${kept}`, { url: this.url, error: reasonOf(error) });
      return false;
    }
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** What fetch says is in the cause. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause ? errorText(error.cause) : errorText(error);
}
