import type { CredentialProvider, Credentials } from '../bus/mqtt/options.ts';
import { isObject } from '../core/objects.ts';
import { assertKeys, shown, usage } from './checks.ts';

const KNOWN: readonly (keyof Credentials)[] = ['username', 'password', 'authentication', 'validFromMs', 'validUntilMs', 'onAccepted'];
const FIX = 'Give { username, password }, or a function that resolves with them, such as jwt({ key }) returns.';

/** Wrong ones must not become a login without any. @throws HYD_USAGE */
export function checkCredentials(credentials: unknown): void {
  if (credentials === undefined || typeof credentials === 'function') return;
  assertShown('credentials', credentials);
}

/** What a provider gives is checked as what is fixed. */
export function checkProvider(provider: CredentialProvider): CredentialProvider {
  return async (request) => {
    const given = await provider(request);
    assertShown('what the credentials function gave', given);
    return given;
  };
}

function assertShown(what: string, given: unknown): void {
  if (!isObject(given)) throw usage(`${what}: ${typeof given === 'string' ? 'a text' : shown(given)}`, FIX);
  if ('then' in given) throw usage(`${what}: a promise`, FIX);
  assertKeys(what, given, KNOWN, { user: 'Did you mean username?', pass: 'Did you mean password?' });
  const { username, password } = given;
  if (username !== undefined && typeof username !== 'string') throw usage(`${what}: the user name is ${shown(username)}`, 'Give a string.');
  if (password !== undefined && typeof password !== 'string' && !(password instanceof Uint8Array))
    throw usage(`${what}: the password is neither text nor bytes`, 'Give a string or a Uint8Array.');
}
