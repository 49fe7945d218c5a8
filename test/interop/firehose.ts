import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after } from 'node:test';
import { runHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { shareDoors } from './doors.ts';

/**
 * A firehose with every door open, set up with the commands that the guide gives: anybody reads, the account `gerrit` publishes.
 * @param origin of pages that may read here
 */
export async function shareFirehose(origin = 'https://pages.example.org') {
  const folder = await createTempFolder();
  after(() => folder[Symbol.asyncDispose]());
  const data = join(folder.path, 'data');
  const added = await runHydrant(['user', 'add', 'gerrit', '--password-file', '-', '--data', data], { input: 'secret\n' });
  assert.equal(added.code, 0, added.stderr);
  const shared = await shareDoors({ data, args: ['--preset', 'firehose'], set: { 'http.origins': `["${origin}"]` } });
  const gerrit = await RawClient.connect(shared.server.mqttUrl, { username: 'gerrit', password: 'secret', auto: true });
  after(() => gerrit.destroy());
  return { ...shared, gerrit };
}
