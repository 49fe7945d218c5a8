import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../src/testing/deadline.ts';
import { startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const EVENTS = 300;

test('what an absent session needs stays in the journal over restarts, also what the archive leaves out', {
  timeout: 120_000,
}, async () => {
  await using folder = await createTempFolder();
  const data = folder.path;
  const set = { 'journal.rotate.bytes': '64KiB', 'archive.exclude.filters': '["quiet/#"]' };
  {
    await using server = await startHydrant({ data, set });
    using absent = await RawClient.connect(server.mqttUrl, { clientId: 'absent', clean: false });
    await absent.subscribe('quiet/#', 1);
    await absent.disconnect();
    using publisher = await RawClient.connect(server.mqttUrl);
    for (let n = 0; n < EVENTS; n++) await publisher.deliver('quiet/a', `${n} ${'x'.repeat(1000)}`, { qos: 1 });
    await within(sealed(data, 3), 20_000, 'segments to be sealed');
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  }
  for (let restart = 1; restart <= 2; restart++) {
    await using server = await startHydrant({ data, set });
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  }
  await using server = await startHydrant({ data, set });
  using back = await RawClient.connect(server.mqttUrl, { clientId: 'absent', clean: false, auto: true });
  const got = (await back.messages(EVENTS)).map((packet) => Number(packet.payload.toString().split(' ')[0]));
  assert.deepEqual(got, [...Array(EVENTS).keys()]);
});

/** Resolves when so many segments have their manifest; with everything excluded there is no object beside it. */
async function sealed(data: string, count: number): Promise<void> {
  for (;;) {
    const names = await readdir(join(data, 'archive'), { recursive: true }).catch(() => []);
    if (names.filter((name) => name.endsWith('.manifest.json')).length >= count) return;
    await sleep(50);
  }
}
