import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { until } from '../../src/testing/deadline.ts';
import { findEvents, type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { mountSmallDisk } from '../../src/testing/small-disk.ts';

const MB = 1_000_000;

async function metric(server: HydrantServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.httpUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

async function readyz(server: HydrantServer): Promise<{ code: number; reasons?: string[]; notes?: string[] }> {
  const response = await fetch(`${server.httpUrl}/readyz`);
  return { code: response.status, ...((await response.json()) as object) };
}

test('while the remote store takes nothing the data folder fills up, which everybody can see, and all of it goes up when the store is back', {
  timeout: 180_000,
}, async () => {
  await using disk = await mountSmallDisk(32 * MB);
  await using remote = await mountSmallDisk(200 * MB);
  await remote.fill(200 * MB - 8192);
  const remoteDir = join(remote.path, 'archive');
  const to = pathToFileURL(remoteDir).href;
  const data = join(disk.path, 'data');
  const set = { 'archive.to': to, 'journal.rotate.bytes': '1MiB', 'health.minFreeBytes': 0 };
  await using server = await startHydrant({ data, set });
  using publisher = await RawClient.connect(server.mqttUrl, { clientId: 'publisher' });
  const acknowledged: number[] = [];
  publisher.onPacket = (packet) => {
    if (packet.cmd === 'puback') acknowledged.push(packet.messageId as number);
  };
  let sent = 0;
  const publish = () => publisher.publish(`full/${++sent}`, randomBytes(64 * 1024), { qos: 1, messageId: sent });
  // Some are sealed while there is room for it; a full disk leaves the rest as segments.
  for (let objects = 1; objects <= 4; objects++) {
    for (let i = 0; i < 16; i++) publish();
    await until(async () => (await metric(server, 'hydrant_upload_pending_objects')) >= objects, `${objects} objects that wait`, 60_000);
  }
  while ((await metric(server, 'hydrant_journal_writable')) === 1) if (sent - acknowledged.length < 10) publish();
  assert.ok((await metric(server, 'hydrant_upload_pending_objects')) > 3);
  assert.ok((await metric(server, 'hydrant_upload_pending_bytes')) > 3 * MB);
  assert.ok((await metric(server, 'hydrant_upload_failures_total')) > 0);
  const seen = await readyz(server);
  assert.equal(seen.code, 503);
  assert.match(seen.reasons!.join(), /disk is full/);
  assert.match(seen.notes!.join(), /^uploads fail; archive objects that wait: \d+ \(.*\), the oldest for /);

  await remote.free();
  await until(async () => (await metric(server, 'hydrant_journal_writable')) === 1, 'the journal to be written again', 60_000);
  publish();
  await until(() => acknowledged.length === sent, 'all to be taken', 60_000);
  await until(async () => (await metric(server, 'hydrant_upload_pending_objects')) === 0, 'everything to go up', 60_000);
  assert.deepEqual((await readyz(server)).notes, undefined);
  await server.stop();
  const found = [...(await findEvents(data, 'full/#', ['--from', to]))].map(({ topic }) => Number(topic.slice(5)));
  const times = new Map<number, number>();
  for (const n of found) times.set(n, (times.get(n) ?? 0) + 1);
  assert.deepEqual(
    acknowledged.filter((n) => times.get(n) !== 1),
    [],
    'every acknowledged event is there once',
  );
});
