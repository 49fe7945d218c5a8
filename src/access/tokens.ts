import type { JWTPayload, JWTVerifyOptions, JWTVerifyResult } from 'jose';
import { type Clock, systemClock } from '../core/clock.ts';
import { userFault } from './account-name.ts';
import { type AccessConfig, grantsClaim } from './options.ts';
import type { Grants } from './rules.ts';
import type { TokenKeys } from './token-keys.ts';

type TokenOptions = AccessConfig['jwt'];

/** What a good token says. */
export interface TokenClaims {
  user: string;
  /** Milliseconds since 1970, with the clock skew that is allowed. */
  expiresAtMs?: number;
  /** Instead of what the rules give this user. */
  grants?: Grants;
}

const MAX_BYTES = 16 * 1024;
const TOKEN = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

/** Why a token is refused, by jose's code. Its own texts are not passed on: they may quote what the token holds. */
const FAULTS: Record<string, string> = {
  ERR_JWT_EXPIRED: 'the token has expired',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: "the token's signature is not that of a known key",
  ERR_JWKS_NO_MATCHING_KEY: 'the token names a key that is not known',
  ERR_JOSE_ALG_NOT_ALLOWED: 'the token is signed with an algorithm that access.jwt.algorithms does not list',
};

/** Whether a password looks like a JSON Web Token: three parts, the first of them a JSON object. */
export function isToken(password: Uint8Array): boolean {
  if (password.length > MAX_BYTES || password[0] !== 0x65 || password[1] !== 0x79) return false;
  return TOKEN.test(Buffer.from(password.buffer, password.byteOffset, password.byteLength).toString('latin1'));
}

/**
 * Checks a JSON Web Token (RFC 7519): signature by a known public key, time, issuer, audience.
 * @returns what it says, or why it is refused, without anything of the token in it
 * @throws HYD_BUSY when the issuer's keys cannot be had now
 */
export async function verifyToken(
  password: Uint8Array,
  keys: TokenKeys,
  options: TokenOptions,
  clock: Clock = systemClock,
): Promise<TokenClaims | { why: string }> {
  const token = Buffer.from(password).toString('latin1');
  const { errors } = await import('jose');
  let payload: JWTPayload;
  try {
    const checks: JWTVerifyOptions = {
      algorithms: options.algorithms,
      clockTolerance: options.clockSkew / 1000,
      currentDate: new Date(clock.now()),
      ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
      ...(options.audience === undefined ? {} : { audience: options.audience }),
    };
    payload = (await verifyWith(keys, token, checks)).payload;
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    const claim = error instanceof errors.JWTClaimValidationFailed ? error.claim : undefined;
    const fault = claim === undefined ? FAULTS[error.code] : `the token's claim ${claim} is not what is wanted`;
    const isEarlyOrLate = error instanceof errors.JWTExpired || claim === 'nbf';
    // Whoever signed it learns how far its clock is off.
    const time = isEarlyOrLate ? `: it is ${new Date(clock.now()).toISOString()} here` : '';
    return { why: (fault ?? 'the token is not valid') + time };
  }
  return readClaims(payload, options);
}

/** A key that is not known may be newer than ours: looks again once. Several keys may fit a token that names none. */
async function verifyWith(keys: TokenKeys, token: string, checks: JWTVerifyOptions): Promise<JWTVerifyResult> {
  const { createLocalJWKSet, errors, jwtVerify } = await import('jose');
  const verify = async (): Promise<JWTVerifyResult> => {
    try {
      return await jwtVerify(token, createLocalJWKSet(await keys.get()), checks);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const key of error) {
        const found = await jwtVerify(token, key, checks).catch((reason: unknown) => {
          if (!(reason instanceof errors.JWSSignatureVerificationFailed)) throw reason;
        });
        if (found) return found;
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  };
  try {
    return await verify();
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey && (await keys.refresh())) return verify();
    throw error;
  }
}

function readClaims(payload: JWTPayload, { userClaim, aclClaim, clockSkew }: TokenOptions): TokenClaims | { why: string } {
  const user = payload[userClaim];
  if (typeof user !== 'string') return { why: `the token's claim ${userClaim} names no user` };
  const fault = userFault(user);
  if (fault) return { why: `the token's claim ${userClaim}: ${fault}` };
  const claims: TokenClaims = { user };
  if (payload.exp !== undefined) claims.expiresAtMs = payload.exp * 1000 + clockSkew;
  if (payload[aclClaim] === undefined) return claims;
  const grants = grantsClaim.safeParse(payload[aclClaim]);
  if (!grants.success) return { why: `the token's claim ${aclClaim} is not {publish: [filters], subscribe: [filters]}` };
  return { ...claims, grants: grants.data };
}
