import { HydrantError } from '../core/errors.ts';
import { type AccessConfig, isUrl } from './options.ts';
import { type Accounts, readAccounts } from './password-file.ts';
import { createRules, type RuleSettings, type Rules } from './rules.ts';
import { readKeyFile, type TokenKeys } from './token-keys.ts';

/** The sections of the configuration that say who may come in and what they may do. */
export interface AccessSections extends RuleSettings {
  access: AccessConfig;
}

/** Everything that decides over logins and permissions, read and checked. */
export interface AccessSettings {
  config: AccessConfig;
  rules: Rules;
  accounts: Accounts | undefined;
  /** Where tokens are taken: the keys of a file, or the URL of those. */
  keys: TokenKeys | string | undefined;
}

/**
 * Reads the files that the configuration names. The password file that nobody named need not be there.
 * @param usersPath of that file; `access.users` wins
 * @throws HYD_CONFIG
 */
export function readAccessSettings({ preset, acl, access }: AccessSections, usersPath: string): AccessSettings {
  const accounts = readAccounts(access.users ?? usersPath);
  if (access.users !== undefined && !accounts) {
    throw new HydrantError('HYD_CONFIG', `access.users is ${access.users}, and there is no such file`, {
      fix: 'Make an account with `hydrant user add NAME`, given the same --config, or correct the key.',
    });
  }
  const { keys } = access.jwt;
  const read = keys === undefined || isUrl(keys) ? keys : readKeyFile(keys);
  const hasAccounts = accounts !== undefined || read !== undefined || access.certificateUser;
  return { config: access, rules: createRules({ preset, acl }, hasAccounts), accounts, keys: read };
}
