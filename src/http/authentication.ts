import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Credentials, Identity, LoginRefusal, Permissions } from '../access/access.ts';
import { type ErrorCode, HydrantError } from '../core/errors.ts';
import { peerCertificate } from '../mqtt/peer-certificate.ts';
import type { ShownCredentials } from '../mqtt/transport.ts';
import type { HttpOptions } from './http-server.ts';

/** Somebody who came in with a request. */
export interface Caller {
  identity: Identity;
  permissions: Permissions;
}

/** Characters of a name that nobody has checked. */
const MAX_NAME = 100;

const CODES: Record<LoginRefusal, ErrorCode> = {
  'bad-credentials': 'HYD_LOGIN',
  'not-authorized': 'HYD_LOGIN',
  banned: 'HYD_SLOWED',
  'server-busy': 'HYD_BUSY',
};

/**
 * Who sends a request: `Authorization: Basic` with name and password, `Bearer` with a token, or nobody in particular.
 * @throws HYD_LOGIN; HYD_SLOWED after too many failed logins; HYD_BUSY
 */
export async function authenticate({ access, onRefused }: HttpOptions, request: IncomingMessage): Promise<Caller> {
  const shown = readAuthorization(request.headers.authorization);
  const login = await access.login({ ...whence(request), ...shown });
  if ('refused' in login) {
    onRefused({ user: shown.username?.slice(0, MAX_NAME) ?? '', address: peerAddress(request) }, 'login', login.why);
    throw new HydrantError(CODES[login.refused], login.why);
  }
  return { identity: login.identity, permissions: access.permissions(login.identity, '') };
}

/**
 * What an `Authorization` header shows, as MQTT would show it.
 * @throws HYD_LOGIN for another scheme
 */
export function readAuthorization(header: string | undefined): ShownCredentials {
  if (header === undefined) return {};
  const [, scheme = '', value = ''] = /^(\S+) +(\S+) *$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return { password: Buffer.from(value) };
  const text = scheme.toLowerCase() === 'basic' ? Buffer.from(value, 'base64').toString() : '';
  const colon = text.indexOf(':');
  if (colon === -1) throw new HydrantError('HYD_LOGIN', 'the Authorization header is neither Basic nor Bearer');
  return { username: text.slice(0, colon), password: Buffer.from(text.slice(colon + 1)) };
}

/** For somebody who may not: with an account, or with another one, they might. @param what `publish to a/b` */
export function refusal({ identity }: Caller, what: string): HydrantError {
  if (identity.user === 'anonymous') return new HydrantError('HYD_LOGIN', `anonymous clients may not ${what}`);
  return new HydrantError('HYD_REFUSED', `${identity.user} may not ${what}`);
}

/** Address of the peer, without a port. */
export function peerAddress({ socket }: IncomingMessage): string {
  return (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '');
}

function whence(request: IncomingMessage): Pick<Credentials, 'door' | 'address' | 'certificateName'> {
  const { socket } = request;
  return {
    door: socket instanceof TLSSocket ? 'https' : 'http',
    address: peerAddress(request),
    certificateName: peerCertificate(socket)?.name,
  };
}
