import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The data folder that every command uses: --data, else HYDRANT_DATA, else the user's data directory
 * (`$XDG_DATA_HOME/hydrant`, `~/.local/share/hydrant`, on macOS `~/Library/Application Support/hydrant`).
 * @returns an absolute path; nothing is created
 */
export function resolveDataDir(flag: string | undefined, env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): string {
  const given = flag || env.HYDRANT_DATA;
  if (given) return resolve(given);
  const home = env.HOME || homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'hydrant');
  return join(env.XDG_DATA_HOME || join(home, '.local', 'share'), 'hydrant');
}

/** Where what can be fetched again is kept: `$XDG_CACHE_HOME/hydrant`, `~/.cache/hydrant`, on macOS `~/Library/Caches/hydrant`. */
export function resolveCacheDir(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): string {
  const home = env.HOME || homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'hydrant');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'hydrant');
}
