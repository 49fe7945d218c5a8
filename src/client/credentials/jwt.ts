import { KeyObject } from 'node:crypto';
import { type Clock, systemClock } from '../../core/clock.ts';
import { HydrantError } from '../../core/errors.ts';
import { assertLife, assertOptions } from './assert-options.ts';
import { ClockSkew } from './clock-skew.ts';
import { type CredentialSource, createSource, Owners } from './credential-source.ts';
import { assertSigning, type KeyOptions, readPrivateKey, type SigningKey } from './private-key.ts';
import { WatchedFile } from './watched-file.ts';

/** JSON, several lines, or one long one of base64. */
const NO_PATH = /^\s*\{|\n|^[A-Za-z0-9+/=_-]{80,}$/;
const KNOWN = ['key', 'passphrase', 'algorithm', 'audience', 'claims', 'keyId', 'lifeSeconds', 'username', 'as'];

export interface JwtOptions extends KeyOptions {
  /** Path of a private key in PEM (PKCS#8, PKCS#1, SEC1), taken over when it is replaced; or the PEM itself; or a KeyObject. */
  key: string | KeyObject;
  /** Claim `aud`. Google's and ClearBlade's services want the project. Default: none. */
  audience?: string | string[];
  /** More claims, such as `sub`. `iat` and `exp` are set here. */
  claims?: Record<string, unknown>;
  /** Header `kid`. Default: none. */
  keyId?: string;
  /** Default 3 600, at most 86 400. The token is renewed at 80 % of it. */
  lifeSeconds?: number;
  /** Default `unused`: servers that take a token as the password look at it alone. */
  username?: string;
  /** `password` (default), or an authentication method of MQTT 5 such as `JWT` or `CUSTOM-JWT`: then renewing needs no other connection. */
  as?: string;
}

/**
 * A JSON Web Token (RFC 7519) of the device's own, RS256 or ES256, signed anew for each login. A key file that is half written or gone does not
 * hurt a client that runs: the key before it goes on. When the server refuses logins, tokens are dated by the clock that it seems to have.
 * @throws HYD_USAGE, HYD_CREDENTIALS for a key that is given itself and cannot sign; one in a file is read when the client connects
 */
export function jwt(options: JwtOptions, { clock = systemClock }: { clock?: Clock } = {}): CredentialSource {
  assertOptions('jwt()', options, KNOWN, ['key']);
  const { lifeSeconds = 3600, username = 'unused', as = 'password', audience, claims, keyId } = options;
  assertLife(lifeSeconds);
  const owners = new Owners();
  const skew = new ClockSkew(owners, clock);
  const key = openKey(options, owners);
  let last: SigningKey | undefined;
  let refusalsBefore = 0;

  async function sign(key: SigningKey, issuedAt: number): Promise<string> {
    const { SignJWT } = await import('jose');
    const token = new SignJWT({ ...claims, ...(audience === undefined ? {} : { aud: audience }) });
    token.setProtectedHeader({ alg: key.algorithm, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) });
    return token
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + lifeSeconds)
      .sign(key.key);
  }

  return createSource(
    async ({ refusals, refusal }) => {
      const signing = await key.read();
      // Refusals of another key say nothing about the clock.
      if (signing !== last || refusals < refusalsBefore) refusalsBefore = last === undefined ? 0 : refusals;
      last = signing;
      const skewMs = skew.assume({ refusals: refusals - refusalsBefore, refusal }, lifeSeconds * 1000);
      const issuedAt = Math.floor((clock.now() + skewMs) / 1000);
      const token = await sign(signing, issuedAt);
      const validFromMs = issuedAt * 1000 - skewMs;
      return {
        username,
        password: token,
        ...(as === 'password' ? {} : { authentication: { method: as, data: Buffer.from(token) } }),
        validFromMs,
        validUntilMs: validFromMs + lifeSeconds * 1000,
        onAccepted: () => skew.accept(skewMs),
      };
    },
    owners,
    key.watch,
  );
}

interface KeyHolder {
  read(): Promise<SigningKey>;
  watch?: (onReplaced: () => void) => () => void;
}

function openKey({ key, ...options }: JwtOptions, { log }: Owners): KeyHolder {
  if (typeof key === 'string' && !key.includes('-----BEGIN') && NO_PATH.test(key)) {
    // It is not said what it is: it may be the secret itself.
    throw new HydrantError('HYD_CREDENTIALS', 'the key is neither the path of a file nor PEM', {
      fix: 'Give PEM with its first and last line.',
    });
  }
  if (key instanceof KeyObject || key.includes('-----BEGIN')) {
    const signing = key instanceof KeyObject ? assertSigning(key, 'the key', options.algorithm) : readPrivateKey(key, 'the key', options);
    return { read: async () => signing };
  }
  const file = new WatchedFile<SigningKey>(key, {
    what: 'key file',
    parse: (bytes) => readPrivateKey(bytes, `the key file ${key}`, options),
    isSame: (one, other) => one.key.equals(other.key),
    log,
  });
  return { read: () => file.read(), watch: (onReplaced) => file.watch(onReplaced) };
}
