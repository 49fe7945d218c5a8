import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { startArchiver } from '../../src/testing/hydrant-archiver.ts';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { startMosquitto } from '../../src/testing/mosquitto.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { mountSmallDisk } from '../../src/testing/small-disk.ts';

const MB = 1_000_000;
const EVENTS = 220;
const PAYLOAD = Buffer.alloc(64 * 1024, 'f');

test('an archiver on a full disk leaves events at the broker, and takes them in order when there is space, each once', {
  timeout: 120_000,
}, async () => {
  await using disk = await mountSmallDisk(36 * MB);
  await disk.fill(22 * MB);
  await using mosquitto = await startMosquitto({ config: ['max_queued_messages 0'] });
  const data = join(disk.path, 'data');
  // The bus is held back at 1 MiB, not at 64.
  const args = ['--set', 'journal.maxPendingBytes=1MiB', '--set', 'archive.enabled=false'];
  await using archiver = await startArchiver({ broker: mosquitto.url, data, args });
  using publisher = await RawClient.connect(mosquitto.url, { auto: true });
  const payload = (n: number): Buffer => Buffer.concat([Buffer.from(`${n} `), PAYLOAD]);
  for (let n = 0; n < EVENTS; n++) await publisher.deliver(`full/${1 + (n % 2)}`, payload(n), { qos: n % 2 === 0 ? 1 : 2 });
  await archiver.logged(({ message }) => /the disk is full/.test(String(message)), 'the line that says that the disk is full');
  await archiver.logged(({ message }) => /deliveries wait/.test(String(message)), 'the line that says that deliveries wait');
  await disk.free();
  await archiver.logged(({ message }) => /takes events again/.test(String(message)), 'the line that says that it goes on');
  await publisher.deliver('full/end', 'end', { qos: 1 });
  await archiver.recorded('full/end', 60_000);
  const events = (await findEvents(data)).filter(({ topic }) => topic !== 'full/end');
  assert.deepEqual(
    events.map((event) => Number.parseInt(event.payload.toString(), 10)),
    Array.from({ length: EVENTS }, (_, n) => n),
  );
  assert.ok(events.every(({ dup }) => !dup));
  assert.deepEqual(await archiver.stop(), { code: 0, signal: null });
});
