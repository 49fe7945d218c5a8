import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../src/testing/deadline.ts';
import { runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const EVENTS = 30;
const DAMAGED = 10;

test('a damaged line below the durable mark: the server starts, reports it, serves all others and never that one', {
  timeout: 60_000,
}, async () => {
  await using folder = await createTempFolder();
  const data = folder.path;
  {
    await using server = await startHydrant({ data });
    using subscriber = await RawClient.connect(server.mqttUrl, { clientId: 'damaged', clean: false });
    await subscriber.subscribe('damaged/#', 1);
    await subscriber.disconnect();
    using publisher = await RawClient.connect(server.mqttUrl);
    for (let n = 0; n < EVENTS; n++) await publisher.deliver('damaged/a', `event ${n}`, { qos: 1 });
    await server.kill();
  }
  const { segment, bytes } = await damage(join(data, 'journal'));
  const expected = [...Array(EVENTS).keys()].filter((n) => n !== DAMAGED).map((n) => `event ${n}`);

  await using server = await startHydrant({ data, set: { 'archive.enabled': false } });
  using back = await RawClient.connect(server.mqttUrl, { clientId: 'damaged', clean: false, auto: true });
  const got = (await back.messages(expected.length)).map((packet) => packet.payload.toString());
  assert.deepEqual(got, expected);
  await back.expectQuiet();
  const report = await server.logged((entry) => entry.level === 'error' && entry.segment === segment, 'a report of the damaged line');
  assert.equal(typeof report.offset, 'number');

  await checkFind(data, expected);
  assert.ok((await readFile(segment)).equals(bytes), 'the segment was changed');
  back.destroy();
  await server.stop();

  await using sealing = await startHydrant({ data });
  await within(removed(segment), 20_000, 'the segment to be sealed');
  await checkFind(data, expected);
  assert.deepEqual(await sealing.stop(), { code: 0, signal: null });
});

/** Everything but the damaged event is found, and the damage is told, whether it lies in a segment or was sealed. */
async function checkFind(data: string, expected: string[]): Promise<void> {
  const { code, stdout, stderr } = await runHydrant(['find', 'damaged/#', '--data', data, '-o', 'ndjson']);
  const found = stdout
    .trim()
    .split('\n')
    .map((line) => Buffer.from(JSON.parse(line).data, 'base64').toString());
  assert.deepEqual(found, expected);
  assert.equal(code, 3, stderr);
  assert.match(stderr, /damaged|could not be read/i);
}

async function removed(path: string): Promise<void> {
  while (await stat(path).catch(() => undefined)) await sleep(50);
}

/** Turns one bit in the payload of one event. */
async function damage(folder: string): Promise<{ segment: string; bytes: Buffer }> {
  const name = (await readdir(folder)).find((file) => file.endsWith('.ndjson')) as string;
  const segment = join(folder, name);
  const bytes = await readFile(segment);
  const at = bytes.indexOf(`"data":"${Buffer.from(`event ${DAMAGED}`).toString('base64')}"`);
  assert.ok(at > 0);
  bytes[at + 10]! ^= 1;
  await writeFile(segment, bytes);
  return { segment, bytes };
}
