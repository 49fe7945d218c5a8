import { join } from 'node:path';
import { EVERYTHING } from '../access/rules.ts';
import { type AccessSettings, readAccessSettings } from '../access/settings.ts';
import { HydrantError } from '../core/errors.ts';
import type { LoadedConfig } from './config.ts';
import { originText } from './config-origin.ts';
import { exposedListeners } from './config-rules.ts';

/** The password file of a server. */
export function usersPath({ config, dataDir }: Pick<LoadedConfig, 'config' | 'dataDir'>): string {
  return config.access.users ?? join(dataDir, 'users');
}

/**
 * Reads who may come in and what they may do: the configuration and the files that it names.
 * @throws HYD_CONFIG, also when other machines could reach a server that has no account
 */
export function loadAccess(loaded: LoadedConfig): AccessSettings {
  const { config, dataDir } = loaded;
  const settings = readAccessSettings(config, usersPath(loaded));
  const { accounts, keys } = settings;
  const hasAccounts = accounts !== undefined || keys !== undefined || config.access.certificateUser;
  if (config.listeners.allowAnonymousRemote || hasAccounts) return settings;
  const faults = exposedListeners(config).map(({ path, host }) => {
    const origin = originText(loaded.given.get(path)?.origin ?? { from: 'default' });
    return `${origin}: ${path} is ${JSON.stringify(host)}, which other machines can reach, and there is no account`;
  });
  if (faults.length === 0) return settings;
  const folder = loaded.inputs.data === undefined ? '' : ` --data ${dataDir}`;
  throw new HydrantError('HYD_CONFIG', faults.join('\n'), {
    fix:
      `Make an account: \`hydrant user add NAME${folder}\`. Then only accounts come in; with \`hydrant up --preset firehose\` anybody may read and each account ` +
      'publishes below its own name. Or use 127.0.0.1 and a tunnel (ssh -L 1883:127.0.0.1:1883). ' +
      'To let anybody do everything: --set listeners.allowAnonymousRemote=true.',
  });
}

/** Whether anybody who reaches the server may do everything. */
export function isOpen({ rules }: AccessSettings): boolean {
  return rules.anonymous === EVERYTHING;
}
