import type { CredentialProvider, Credentials } from '../../bus/mqtt/options.ts';
import { assertOptions } from './assert-options.ts';
import { type CredentialSource, createSource, isSource, Owners } from './credential-source.ts';

export interface CustomAuthorizerOptions {
  /** The authorizer's name. Default: the account's default one. */
  authorizer?: string;
  /** What it looks at: user name and password, fixed or of another provider such as `jwt()`. Default: none. */
  credentials?: Credentials | CredentialProvider;
  /** Where signing is enabled: the name of the token's key, the token, and its signature in base64. */
  token?: { keyName: string; value: string; signature: string };
}

/** Logs in to AWS IoT Core through a custom authorizer: what it needs stands behind the user name, as a query string. @throws HYD_USAGE */
export function customAuthorizer(options: CustomAuthorizerOptions): CredentialSource {
  assertOptions('customAuthorizer()', options, ['authorizer', 'credentials', 'token'], []);
  const { authorizer, credentials = {}, token } = options;
  const query = new URLSearchParams();
  if (authorizer !== undefined) query.set('x-amz-customauthorizer-name', authorizer);
  if (token) {
    query.set('x-amz-customauthorizer-signature', token.signature);
    query.set(token.keyName, token.value);
  }
  const provider: CredentialProvider = typeof credentials === 'function' ? credentials : async () => credentials;
  const ask: CredentialProvider = async (request) => {
    const shown = await provider(request);
    return { ...shown, username: `${shown.username ?? ''}?${query}` };
  };
  return isSource(provider) ? Object.assign(ask, { attach: provider.attach }) : createSource(ask, new Owners());
}
