import { createHash, pbkdf2Sync, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

/** Cost of a new hash: 2^15 blocks of 1 KiB, 32 MiB for about 80 ms. RFC 7914. */
const LOG_N = 15;
const BLOCK_SIZE = 8;
const PARALLEL = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Dearer hashes than this are not computed: a line of a password file must not stop the server. */
const MAX_MEMORY_BYTES = 256 * 1024 ** 2;
const MAX_ITERATIONS = 10_000_000;

/** A hash of the password file, read. The last two kinds are Mosquitto's. */
type ParsedHash =
  | { kind: 'scrypt'; logN: number; r: number; p: number; salt: Buffer; hash: Buffer }
  | { kind: 'sha512'; salt: Buffer; hash: Buffer }
  | { kind: 'pbkdf2'; iterations: number; salt: Buffer; hash: Buffer };

const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]{22,})$/;
const SHA512 = /^\$6\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]{86}==)$/;
const PBKDF2 = /^\$7\$(\d{1,8})\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]{86}==)$/;

/** A hash with a salt of its own: `$scrypt$ln=15,r=8,p=1$<salt>$<hash>`. Takes about 80 ms of the calling thread. */
export function hashPassword(password: Uint8Array): string {
  const salt = randomBytes(SALT_BYTES);
  const hash = scryptSync(password, salt, HASH_BYTES, { N: 2 ** LOG_N, r: BLOCK_SIZE, p: PARALLEL, maxmem: MAX_MEMORY_BYTES });
  return `$scrypt$ln=${LOG_N},r=${BLOCK_SIZE},p=${PARALLEL}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Whether a text is a hash that `verifyPassword` takes. */
export function isPasswordHash(text: string): boolean {
  return parseHash(text) !== undefined;
}

/**
 * Whether the password is the one that was hashed. Without a hash, or with one that is cheaper than ours, the time of one of ours is taken
 * all the same, so that the time of an answer says nothing about the name.
 */
export function verifyPassword(password: Uint8Array, stored: string | undefined): boolean {
  const parsed = stored === undefined ? undefined : parseHash(stored);
  const same = parsed !== undefined && timingSafeEqual(compute(parsed, password), parsed.hash);
  if (parsed?.kind !== 'scrypt' || parsed.logN < LOG_N) hashPassword(password);
  return same;
}

function parseHash(text: string): ParsedHash | undefined {
  const scrypt = SCRYPT.exec(text);
  if (scrypt) {
    const [logN, r, p] = [Number(scrypt[1]), Number(scrypt[2]), Number(scrypt[3])];
    const sane = logN >= 1 && r >= 1 && p >= 1 && p <= 16 && 128 * 2 ** logN * r < MAX_MEMORY_BYTES;
    return sane ? { kind: 'scrypt', logN, r, p, salt: decode(scrypt[4]!), hash: decode(scrypt[5]!) } : undefined;
  }
  const sha512 = SHA512.exec(text);
  if (sha512) return { kind: 'sha512', salt: decode(sha512[1]!), hash: decode(sha512[2]!) };
  const pbkdf2 = PBKDF2.exec(text);
  const iterations = Number(pbkdf2?.[1]);
  if (!pbkdf2 || iterations < 1 || iterations > MAX_ITERATIONS) return undefined;
  return { kind: 'pbkdf2', iterations, salt: decode(pbkdf2[2]!), hash: decode(pbkdf2[3]!) };
}

function compute(parsed: ParsedHash, password: Uint8Array): Buffer {
  const { salt, hash } = parsed;
  switch (parsed.kind) {
    case 'scrypt':
      return scryptSync(password, salt, hash.length, { N: 2 ** parsed.logN, r: parsed.r, p: parsed.p, maxmem: MAX_MEMORY_BYTES });
    case 'sha512':
      return createHash('sha512').update(password).update(salt).digest();
    case 'pbkdf2':
      return pbkdf2Sync(password, salt, parsed.iterations, hash.length, 'sha512');
  }
}

function decode(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
