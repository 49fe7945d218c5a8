import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { type Checkpoint, CheckpointWriter, checkpointPath, readCheckpoint, skipper } from './checkpoint.ts';
import { Pace, plannedMs } from './pace.ts';
import { createTopicOf, isRefused, replayRequest } from './replay.ts';

const begun = (): Checkpoint => ({
  v: 1,
  args: { filters: ['a'] },
  range: { untilMs: 9 },
  finished: [],
  journal: '',
  seq: 0,
  published: 0,
});

/** When each event is let through, milliseconds after the first. */
async function dueTimes(options: { speed: number; rate?: number }, events: number[], takes = 0): Promise<number[]> {
  let nowMs = 1000;
  const sleep = async (ms: number): Promise<void> => {
    nowMs += ms;
  };
  const pace = new Pace({ ...options, now: () => nowMs, sleep });
  const due: number[] = [];
  for (const event of events) {
    await pace.until(event, new AbortController().signal);
    due.push(nowMs - 1000);
    nowMs += takes;
  }
  return due;
}

test('×N keeps the distances between events, N times shorter', async () => {
  assert.deepEqual(await dueTimes({ speed: 1 }, [5000, 5100, 6000]), [0, 100, 1000]);
  assert.deepEqual(await dueTimes({ speed: 10 }, [5000, 5100, 6000]), [0, 10, 100]);
  assert.deepEqual(await dueTimes({ speed: Number.POSITIVE_INFINITY }, [5000, 9000]), [0, 0]);
});

test('a rate is kept, also together with a speed, and without a burst after a standstill', async () => {
  assert.deepEqual(await dueTimes({ speed: Number.POSITIVE_INFINITY, rate: 100 }, [0, 0, 0, 0]), [0, 10, 20, 30]);
  assert.deepEqual(await dueTimes({ speed: 1, rate: 100 }, [0, 1, 2, 100]), [0, 10, 20, 100]);
  const slow = await dueTimes({ speed: Number.POSITIVE_INFINITY, rate: 100 }, Array(60).fill(0) as number[], 0);
  assert.equal(slow.at(-1), 590);
  assert.deepEqual(await dueTimes({ speed: Number.POSITIVE_INFINITY, rate: 1000 }, [0, 0, 0], 500), [0, 500, 1000]);
});

test('the time a replay takes is known when speed or rate say so', () => {
  assert.equal(plannedMs(1000, 60_000, { speed: 2 }), 30_000);
  assert.equal(plannedMs(1000, 60_000, { speed: 2, rate: 10 }), 100_000);
  assert.equal(plannedMs(1000, 60_000, { speed: Number.POSITIVE_INFINITY }), undefined);
});

test('a checkpoint has behind it what was published, journal by journal, and days without sequences by count', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'deep', 'note.json');
  const writer = new CheckpointWriter(path, begun());
  await writer.open();
  for (const [journal, seq] of [
    ['', 0],
    ['', 0],
    ['aa', 5],
    ['aa', 9],
    ['bb', 3],
  ] as const)
    writer.reached(journal, seq);
  await writer.save();
  const behind = skipper(await readCheckpoint(path, { filters: ['a'] }));
  const seen = (
    [
      ['', 0],
      ['', 0],
      ['', 0],
      ['aa', 9],
      ['aa', 10],
      ['bb', 3],
      ['bb', 4],
      ['cc', 1],
    ] as const
  ).map(([journal, seq]) => behind(journal, seq));
  assert.deepEqual(seen, [true, true, true, true, true, true, false, false]);
  const halfway = new CheckpointWriter(path, begun());
  for (let i = 0; i < 2; i++) halfway.reached('', 0);
  await halfway.save();
  const days = skipper(await readCheckpoint(path, { filters: ['a'] }));
  assert.deepEqual([days('', 0), days('', 0), days('', 0), days('aa', 1)], [true, true, false, false]);
  await writer.remove();
  await assert.rejects(readFile(path), { code: 'ENOENT' });
});

test('a checkpoint belongs to its arguments', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'note.json');
  await assert.rejects(readCheckpoint(path, {}), { code: 'HYD_USAGE', message: /there is no checkpoint/ });
  await new CheckpointWriter(path, begun()).save();
  await assert.rejects(readCheckpoint(path, { filters: ['b'] }), { code: 'HYD_USAGE', message: /of another replay/ });
  assert.notEqual(checkpointPath('/d', { a: 1 }), checkpointPath('/d', { a: 2 }));
});

test('an event is published as it was, marked once on MQTT 5', () => {
  const event = {
    topic: 'a/b',
    payload: Buffer.from('x'),
    qos: 2 as const,
    retain: true,
    seq: 7,
    ts: '2026-11-21T10:00:00Z',
    contentType: 'text/plain',
    props: {
      user: [
        ['hydrant-replay', 'older'],
        ['k', 'v'],
      ] as [string, string][],
      expiry: 60,
    },
  };
  const record = { event, line: Buffer.alloc(0), journal: 'aa', epoch: 'ee' };
  const five = replayRequest(record, { topicOf: createTopicOf({ to: 'again/' }), retain: true }, 5);
  assert.deepEqual([five.topic, five.qos, five.retain], ['again/a/b', 2, true]);
  assert.deepEqual(five.userProperties, [
    ['k', 'v'],
    ['hydrant-replay', 'aa-ee-7'],
  ]);
  assert.deepEqual(five.properties, { contentType: 'text/plain', messageExpiryInterval: 60 });
  const four = replayRequest(record, { topicOf: createTopicOf({}), qos: 0, retain: false }, 4);
  assert.deepEqual(four, { topic: 'a/b', payload: event.payload, qos: 0, retain: false });
});

test('a topic is rewritten first and then put under the prefix', () => {
  const topicOf = createTopicOf({ to: 'test', rewrite: [{ filter: 'plant/#', topic: 'lab/$1' }] });
  assert.deepEqual([topicOf('plant/7/t'), topicOf('site')], ['test/lab/7/t', 'test/site']);
});

test("topics that are the server's own are not replayed in place", () => {
  assert.equal(isRefused(createTopicOf({})('$SYS/x')), true);
  assert.equal(isRefused(createTopicOf({ to: 'again' })('$SYS/x')), false);
  assert.equal(isRefused(createTopicOf({ rewrite: [{ filter: 'a/#', topic: '$SYS/$1' }] })('a/x')), true);
});
