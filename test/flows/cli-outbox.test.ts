import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openOutbox } from '../../src/client/outbox/open-outbox.ts';
import type { OutboxRecord } from '../../src/client/outbox/outbox.ts';
import { runHydrant } from '../../src/testing/hydrant-server.ts';
import { outboxEvent, payloadTexts } from '../../src/testing/outbox-event.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';

const ALL = { maxEvents: 1000, maxBytes: 1 << 20 };

interface Filled extends TempFolder {
  /** In quarantine: a text and JSON of `data`, bytes of `events`. */
  quarantined: [OutboxRecord, OutboxRecord, OutboxRecord];
}

/** Two channels with a backlog, three events in quarantine. */
async function fillOutbox(): Promise<Filled> {
  const folder = await createTempFolder();
  await using outbox = await openOutbox(folder.path);
  const put = (text: string, channel: string, what = {}): Promise<OutboxRecord> => outbox.put(outboxEvent(text, { channel, ...what }));
  const quarantined: Filled['quarantined'] = [
    await put('plain\u001b[31m', 'data', { topic: 'a/b' }),
    await put('{"n":1}', 'data', { contentType: 'application/json' }),
    await put('', 'events', { payload: Buffer.from([0xff, 0, 1]) }),
  ];
  for (const { seq } of quarantined) await outbox.quarantine(seq, 'the server hung up on it 3 times');
  for (let n = 0; n < 5; n++) await put(`${n}`, 'data');
  await put('x', 'events');
  return { ...folder, quarantined };
}

test('ls shows each channel with its backlog, and what is in quarantine with its reason', async () => {
  await using filled = await fillOutbox();
  const at = ['--outbox', filled.path];
  const { code, stdout, stderr } = await runHydrant(['outbox', 'ls', ...at, '-o', 'json']);
  assert.deepEqual([code, stderr], [0, '']);
  const [data, events] = JSON.parse(stdout) as Record<string, unknown>[];
  assert.deepEqual([data!.channel, data!.events, data!.quarantined], ['data', 5, 2]);
  assert.deepEqual([events!.channel, events!.events, events!.quarantined], ['events', 1, 1]);
  assert.ok(Number(data!.oldestAgeMs) < 60_000 && Number(data!.bytes) > 0);
  assert.deepEqual(
    (data!.inQuarantine as OutboxRecord[]).map(({ id }) => id),
    filled.quarantined.slice(0, 2).map(({ id }) => id),
  );
  const table = await runHydrant(['outbox', 'ls', ...at, '-o', 'table', '--limit', '2']);
  assert.match(table.stdout, /^CHANNEL +EVENTS +SIZE +OLDEST +QUARANTINED\ndata +5 +\d+B +\d+s +2\nevents +1 +\d+B +\d+s +1\n/);
  assert.match(
    table.stdout,
    /\nIn quarantine, 2 of 3\nID +SINCE +TOPIC +SIZE +REASON\n\S{26} +\S+Z +a\/b +10B +the server hung up on it 3 times\n/,
  );
  const one = await runHydrant(['outbox', 'ls', ...at, '-o', 'ndjson', '--channel', 'events']);
  assert.deepEqual(
    one.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { channel: string }).channel),
    ['events'],
  );
});

test('show prints all of one event, or its payload byte for byte', async () => {
  await using filled = await fillOutbox();
  const show = (at: number, ...args: string[]) =>
    runHydrant(['outbox', 'show', filled.quarantined[at]!.id, '--outbox', filled.path, ...args]);
  const text = JSON.parse((await show(0)).stdout) as Record<string, unknown>;
  assert.deepEqual(
    [text.text, text.topic, text.channel, text.reason],
    ['plain\u001b[31m', 'a/b', 'data', 'the server hung up on it 3 times'],
  );
  const json = JSON.parse((await show(1)).stdout) as Record<string, unknown>;
  assert.deepEqual([json.json, json.contentType], [{ n: 1 }, 'application/json']);
  assert.equal((JSON.parse((await show(2)).stdout) as Record<string, unknown>).data, '/wAB');
  assert.equal((await show(1, '-o', 'raw')).stdout, '{"n":1}');
  const none = await runHydrant(['outbox', 'show', 'NOSUCH', '--outbox', filled.path]);
  assert.deepEqual([none.code, none.stdout], [2, '']);
  assert.match(none.stderr, /there is no event NOSUCH in quarantine/);
});

test('retry and drop work by id, by channel and for all, while a client has the outbox open', async () => {
  await using filled = await fillOutbox();
  const at = ['--outbox', filled.path];
  const [first, second, third] = filled.quarantined;
  await using outbox = await openOutbox(filled.path);
  await outbox.claim();
  const retried = await runHydrant(['outbox', 'retry', first.id, ...at]);
  assert.deepEqual([retried.code, retried.stderr], [0, '1 event will be sent again\n']);
  assert.deepEqual(payloadTexts(await outbox.read('data', 0, ALL)), ['0', '1', '2', '3', '4', 'plain\u001b[31m']);
  const without = await runHydrant(['outbox', 'drop', '--all', ...at]);
  assert.deepEqual([without.code, (await outbox.quarantined()).length], [2, 2]);
  assert.match(without.stderr, /2 events would be deleted for good.*--yes/s);
  const dropped = await runHydrant(['outbox', 'drop', '--all', '--yes', '--channel', 'data', ...at]);
  assert.deepEqual([dropped.code, dropped.stderr], [0, '1 event deleted\n']);
  assert.deepEqual(
    (await outbox.quarantined()).map(({ id }) => id),
    [third.id],
  );
  const twice = await runHydrant(['outbox', 'drop', second.id, ...at]);
  assert.deepEqual([twice.code, /no event \S+ in quarantine/.test(twice.stderr)], [2, true]);
  assert.equal((await runHydrant(['outbox', 'retry', '--all', ...at])).stderr, '1 event will be sent again\n');
  assert.deepEqual(await outbox.quarantined(), []);
});

test('a folder that is no outbox is named and not made into one; so is a call without a choice', async () => {
  await using folder = await createTempFolder();
  const none = await runHydrant(['outbox', 'ls', '--outbox', `${folder.path}/none`]);
  assert.deepEqual([none.code, /none is not an outbox/.test(none.stderr)], [1, true]);
  assert.equal((await runHydrant(['outbox', 'ls', '--outbox', `${folder.path}/none`])).code, 1);
  assert.match((await runHydrant(['outbox', 'ls'])).stderr, /required option '--outbox <dir>'/);
  await using filled = await fillOutbox();
  const both = await runHydrant(['outbox', 'retry', 'X', '--all', '--outbox', filled.path]);
  assert.deepEqual([both.code, /Give ids, or --all/.test(both.stderr)], [2, true]);
});
