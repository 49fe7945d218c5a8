import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Algorithm, Verdict } from './preset.ts';

export const MISSING_SIGNATURE = 'a signature is missing';
export const WRONG_SIGNATURE = 'a signature is wrong';

/** Compares with each of the secrets, in a time that depends on none of them. */
export function proveToken(shown: string | undefined, secrets: readonly string[]): Verdict {
  if (shown === undefined) return 'a token is missing';
  const hash = digest(shown);
  const matches = secrets.filter((secret) => timingSafeEqual(hash, digest(secret)));
  return matches.length > 0 ? undefined : 'a token is wrong';
}

/**
 * Whether one of these is the HMAC of the parts under one of the keys. All are compared, in a time that depends only on how many there are.
 * @param signatures of another length than the algorithm's is none
 */
export function isSigned(
  signatures: readonly Buffer[],
  keys: readonly (string | Buffer)[],
  algorithm: Algorithm,
  ...parts: readonly (string | Buffer)[]
): boolean {
  let isFound = false;
  for (const key of keys) {
    const hmac = createHmac(algorithm, key);
    for (const part of parts) hmac.update(part);
    const wanted = hmac.digest();
    for (const signature of signatures) if (signature.length === wanted.length && timingSafeEqual(signature, wanted)) isFound = true;
  }
  return isFound;
}

/** Of `sha256=<hex>`, as PubSubHubbub began it. */
export function hubSignature(header: string, algorithm: Algorithm): Buffer[] {
  const [, name, hex = ''] = /^(\w+)=([0-9a-f]+)$/i.exec(header.trim()) ?? [];
  return name?.toLowerCase() === algorithm ? [Buffer.from(hex, 'hex')] : [];
}

/** The token of `Authorization: Bearer`, or the password of `Basic`, whoever the user is. RFC 6750, RFC 7617. */
export function shownCredential({ authorization }: IncomingHttpHeaders): string | undefined {
  const [, scheme, value = ''] = /^(bearer|basic) +(\S+) *$/i.exec(authorization ?? '') ?? [];
  if (scheme === undefined) return undefined;
  if (scheme.toLowerCase() === 'bearer') return value;
  const text = Buffer.from(value, 'base64').toString();
  return text.includes(':') ? text.slice(text.indexOf(':') + 1) : undefined;
}

/** Of a header that comes once. */
export function headerText(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  const text = Array.isArray(value) ? value.join(', ') : value;
  return text === undefined || text.trim() === '' ? undefined : text.trim();
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
