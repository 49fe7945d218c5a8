import assert from 'node:assert/strict';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findEvents, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const LIBRARY = '/usr/$LIB/faketime/libfaketimeMT.so.1';

test('a clock that steps back over midnight loses nothing, keeps the order and mixes no hours in a segment', {
  timeout: 60_000,
}, async () => {
  await using folder = await createTempFolder();
  const data = join(folder.path, 'data');
  const file = join(folder.path, 'time');
  const setClock = async (time: string): Promise<void> => {
    await writeFile(`${file}.new`, `@${time}`);
    await rename(`${file}.new`, file);
  };
  await setClock('2026-03-01 23:59:40');
  const env = { LD_PRELOAD: LIBRARY, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', DONT_FAKE_MONOTONIC: '1', TZ: 'UTC' };
  const times = ['2026-03-01 23:59:50', '2026-03-02 00:00:10', '2026-03-01 23:59:30', '2026-02-28 12:10:00', '2026-03-02 00:00:20'];
  {
    await using server = await startHydrant({ data, env, set: { 'archive.enabled': false } });
    using subscriber = await RawClient.connect(server.mqttUrl, { clientId: 'clock', clean: false, keepalive: 10, auto: true });
    await subscriber.subscribe('clock/#', 1);
    using publisher = await RawClient.connect(server.mqttUrl, { keepalive: 10 });
    for (const [i, time] of times.entries()) {
      await setClock(time);
      for (let n = 0; n < 20; n++) await publisher.deliver('clock/a', `${i * 20 + n}`, { qos: 1 });
    }
    const got = (await subscriber.messages(100)).map((packet) => Number(packet.payload));
    assert.deepEqual(got, [...Array(100).keys()]);
    await publisher.ping();
    await server.kill();
  }
  const events = await findEvents(data, 'clock/#');
  assert.deepEqual(
    events.map((event) => Number(event.payload.toString())),
    [...Array(100).keys()],
  );
  for (const [i, event] of events.entries()) {
    const day = (times[Math.floor(i / 20)] as string).replace(' ', 'T').slice(0, 13);
    assert.ok(event.ts.startsWith(day), `event ${i} arrived at ${event.ts}: the clock was not ${day}`);
    if (i > 0) assert.ok(event.seq > (events[i - 1]?.seq as number));
  }
  const hours = await segmentHours(join(data, 'journal'));
  assert.ok(hours.length >= 5 && hours.every((set) => set.size <= 1), JSON.stringify(hours.map((set) => [...set])));

  await using server = await startHydrant({ data, env, set: { 'archive.enabled': false } });
  using back = await RawClient.connect(server.mqttUrl, { clientId: 'clock', clean: false, auto: true });
  assert.equal(back.connack.sessionPresent, true);
  await back.deliver('clock/end', 'end', { qos: 1 });
  await back.take('publish', { topic: 'clock/end' });
  const window = ['--since', '2026-03-01T23:59:00Z', '--until', '2026-03-02T00:00:00Z'];
  const { stdout } = await runHydrant(['find', 'clock/a', '--data', data, '-o', 'ndjson', ...window]);
  assert.equal(stdout.trim().split('\n').length, 40);
});

/** The arrival hours of each segment's events. */
async function segmentHours(folder: string): Promise<Set<string>[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ndjson'));
  return Promise.all(
    names.map(async (name) => {
      const lines = (await readFile(join(folder, name), 'utf8')).trim().split('\n').slice(1);
      return new Set(lines.map((line) => (JSON.parse(line).ts as string).slice(0, 13)));
    }),
  );
}
