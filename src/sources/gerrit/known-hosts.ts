import { createHash, createHmac } from 'node:crypto';

/** A line of OpenSSH's known_hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
interface Entry {
  marker: string | undefined;
  hosts: string;
  type: string;
  /** Base64. */
  key: string;
  line: number;
}

export type Verdict =
  | { is: 'known' }
  | { is: 'unknown' }
  /** Another key of that type is written down, in that line. */
  | { is: 'changed'; line: number }
  | { is: 'revoked'; line: number };

/** Which keys a server may have. */
export class KnownHosts {
  readonly #entries: readonly Entry[];
  readonly #name: string;
  readonly #host: string;

  /** @param text of a known_hosts file; lines that are none are passed over, as ssh does */
  constructor(text: string, host: string, port: number) {
    this.#host = host.toLowerCase();
    this.#name = port === 22 ? this.#host : `[${this.#host}]:${port}`;
    this.#entries = text.split('\n').flatMap((line, index) => readEntry(line, index + 1));
  }

  /** Types of the keys that are written down for this server, so that it is asked for one of them. */
  get types(): string[] {
    const types = this.#own(this.#name).map(({ type }) => type);
    return [...new Set(types.length > 0 ? types : this.#own(this.#host).map(({ type }) => type))];
  }

  check(key: Buffer): Verdict {
    const text = key.toString('base64');
    const type = keyType(key);
    const revoked = this.#entries.find((entry) => entry.marker === '@revoked' && entry.key === text && this.#isOurs(entry));
    if (revoked) return { is: 'revoked', line: revoked.line };
    const own = this.#own(this.#name);
    // As ssh does: a key that is written down for the host without a port will do.
    if ([...own, ...this.#own(this.#host)].some((entry) => entry.key === text)) return { is: 'known' };
    const other = own.find((entry) => entry.type === type);
    return other ? { is: 'changed', line: other.line } : { is: 'unknown' };
  }

  #own(name: string): Entry[] {
    return this.#entries.filter(({ marker, hosts }) => marker === undefined && isNamed(hosts, name));
  }

  #isOurs({ hosts }: Entry): boolean {
    return isNamed(hosts, this.#name) || isNamed(hosts, this.#host);
  }
}

/** As `ssh-keygen -l` shows it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** `ssh-ed25519` and the like: the first string of a key. */
export function keyType(key: Buffer): string {
  return key.length < 4 ? '' : key.toString('latin1', 4, 4 + key.readUInt32BE(0));
}

function readEntry(text: string, line: number): Entry[] {
  const fields = text.trim().split(/\s+/);
  if (fields[0] === '' || fields[0]!.startsWith('#')) return [];
  const marker = fields[0]!.startsWith('@') ? fields.shift() : undefined;
  const [hosts, type, key] = fields;
  return hosts && type && key ? [{ marker, hosts, type, key, line }] : [];
}

function isNamed(hosts: string, name: string): boolean {
  if (hosts.startsWith('|1|')) {
    const [, , salt = '', hash] = hosts.split('|');
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  const patterns = hosts.toLowerCase().split(',');
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1), name))) return false;
  return patterns.some((pattern) => matches(pattern, name));
}

/** `*` stands for any characters, `?` for one. */
function matches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}
