import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveDataDir } from './data-dir.ts';

test('the flag wins over HYDRANT_DATA, which wins over the user’s data directory', () => {
  const env = { HOME: '/home/u', HYDRANT_DATA: '/srv/h', XDG_DATA_HOME: '/xdg' };
  assert.equal(resolveDataDir('/flag', env, 'linux'), '/flag');
  assert.equal(resolveDataDir(undefined, env, 'linux'), '/srv/h');
  assert.equal(resolveDataDir(undefined, { ...env, HYDRANT_DATA: '' }, 'linux'), '/xdg/hydrant');
  assert.equal(resolveDataDir(undefined, { HOME: '/home/u' }, 'linux'), '/home/u/.local/share/hydrant');
  assert.equal(resolveDataDir(undefined, { HOME: '/Users/u' }, 'darwin'), '/Users/u/Library/Application Support/hydrant');
});

test('a relative folder is meant from where the command runs', () => {
  assert.equal(resolveDataDir('x/y', {}), `${process.cwd()}/x/y`);
});
