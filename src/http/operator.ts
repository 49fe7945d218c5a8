import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { HydrantError } from '../core/errors.ts';
import { authenticate, peerAddress, readAuthorization } from './authentication.ts';
import type { HttpOptions } from './http-server.ts';

const FIX = 'Send the token in operator.token of the data folder as `Authorization: Bearer`, or log in as one of access.admins.';

/**
 * Lets operators through: whoever shows this server's token, or comes in with an account that is an admin. Nobody is one without credentials.
 * @param what `list clients`
 * @throws HYD_LOGIN, HYD_REFUSED; those of `authenticate`
 */
export async function assertOperator(options: HttpOptions, request: IncomingMessage, what: string): Promise<void> {
  const { username, password } = readAuthorization(request.headers.authorization);
  if (username === undefined && password && isSame(password, options.operatorToken)) return;
  const { identity } = await authenticate(options, request);
  if (identity.admin) return;
  options.onRefused({ user: identity.user, address: peerAddress(request) }, 'not-admin', what);
  if (identity.user === 'anonymous') throw new HydrantError('HYD_LOGIN', `anonymous clients may not ${what}`, { fix: FIX });
  throw new HydrantError('HYD_REFUSED', `${identity.user} may not ${what}`, { fix: FIX });
}

/** In a time that says nothing about how much of it is right. */
function isSame(shown: Uint8Array, secret: string): boolean {
  const digest = (data: Uint8Array | string): Buffer => createHash('sha256').update(data).digest();
  return timingSafeEqual(digest(shown), digest(secret));
}
