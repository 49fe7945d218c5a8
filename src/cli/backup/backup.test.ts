import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import { createIdentity, readDataFolder } from '../../app/data-folder.ts';
import { openJournal } from '../../journal/journal.ts';
import { encodeMark, markPath } from '../../journal/mark.ts';
import { listSegmentFiles } from '../../journal/segment-files.ts';
import { createTempFolder, type TempFolder } from '../../testing/temp-folder.ts';
import { encodeLine } from '../../wire/line.ts';
import { encodeSegmentHeader, segmentName } from '../../wire/segment.ts';
import { restoreBackup } from './restore.ts';
import { saveBackup } from './save.ts';
import { folderSink, tarFileSink } from './sinks.ts';

let folder: TempFolder;
let data: string;
let name: string;
let durable: number;

beforeEach(async () => {
  folder = await createTempFolder();
  data = join(folder.path, 'data');
  await mkdir(join(data, 'journal'), { recursive: true });
  const { journal } = await createIdentity(data);
  const header = { journal, epoch: '0a0b0c0d', first: 1, reserved: 1000 };
  const lines = [1, 2, 3].map((seq) => encodeLine({ topic: `t/${seq}`, payload: Buffer.from('x'), qos: 1, retain: false }, seq, 1e12));
  const bytes = Buffer.concat([encodeSegmentHeader(header, 1e12), ...lines]);
  durable = bytes.length - lines[2]!.length;
  name = segmentName(header);
  await writeFile(join(data, 'journal', name), bytes);
  await writeFile(markPath(join(data, 'journal')), encodeMark({ segment: name, offset: durable, seq: 2 }));
  const key = `archive/site-north-building-4/dt=2026-11-21/hour=10/${journal}-0a0b0c0d-000000000000001-000000000000009.ndjson.gz`;
  await mkdir(join(data, key, '..'), { recursive: true });
  await writeFile(join(data, key), 'sealed');
  const database = new DatabaseSync(join(data, 'state.db'));
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE retained (topic TEXT); INSERT INTO retained VALUES ('a/b')");
  database.close();
});

afterEach(() => folder[Symbol.asyncDispose]());

const targets = ['b', 'b.tar', 'b.tar.gz', 'b.tgz', 'b.tar.zst'];

for (const target of targets) {
  test(`a backup into ${target} comes back whole under a new journal id, numbered on from the last saved event`, async () => {
    const path = join(folder.path, target);
    const manifest = await saveBackup(data, target === 'b' ? await folderSink(path) : await tarFileSink(path));
    assert.equal(manifest.head, 9);
    const order = manifest.files.map((file) => file.path.split('/')[0]);
    assert.deepEqual(order, ['state.db', 'journal', 'archive'], 'the state never points ahead of the events saved');
    const back = join(folder.path, 'back');
    const restored = await restoreBackup(path, back);
    assert.notEqual(restored.journal, manifest.journal);
    assert.equal(readDataFolder(back).journal, restored.journal);
    assert.deepEqual((await readdir(back)).sort(), ['archive', 'hydrant.json', 'journal', 'state.db']);
    const segments = await listSegmentFiles(join(back, 'journal'));
    assert.deepEqual(
      segments.map(({ journal, first, bytes }) => ({ journal, first, bytes })),
      [{ journal: manifest.journal, first: 1, bytes: durable }],
    );
    await using journal = await openJournal(join(back, 'journal'), { journalId: restored.journal });
    assert.equal(journal.head, 2);
    const event = { topic: 'after', payload: Buffer.from('x'), qos: 0 as const, retain: false, seq: 0, ts: '', arrivalMs: 0 };
    assert.equal(journal.append(event), 10);
    const { records } = await journal.read(undefined, 1).read(10);
    assert.deepEqual(
      records.map((record) => record.seq),
      [1, 2],
    );
    assert.deepEqual(await readFile(join(back, 'journal', name)), (await readFile(join(data, 'journal', name))).subarray(0, durable));
    const database = new DatabaseSync(join(back, 'state.db'), { readOnly: true });
    assert.deepEqual(
      database
        .prepare('SELECT topic FROM retained')
        .all()
        .map((row) => row.topic),
      ['a/b'],
    );
    database.close();
  });
}

test('a backup is an ordinary tar, names longer than 100 bytes included', async () => {
  const path = join(folder.path, 'b.tar');
  const manifest = await saveBackup(data, await tarFileSink(path));
  const listed = execFileSync('tar', ['-tf', path]).toString().trim().split('\n');
  assert.deepEqual(listed, [...manifest.files.map((file) => file.path), 'backup.json']);
  assert.ok(listed.some((file) => file.length > 100));
});

test('a tar comes back from a stream', async () => {
  const path = join(folder.path, 'b.tar');
  await saveBackup(data, await tarFileSink(path));
  await restoreBackup(createReadStream(path), join(folder.path, 'back'));
});

test('one changed byte, a missing file and a file too many are refused, and nothing is left behind', async () => {
  const path = join(folder.path, 'b');
  await saveBackup(data, await folderSink(path));
  const segment = join(path, 'journal', name);
  const bytes = await readFile(segment);
  const back = join(folder.path, 'back');
  bytes[100]! ^= 1;
  await writeFile(segment, bytes);
  await assert.rejects(restoreBackup(path, back), { code: 'HYD_BACKUP', message: new RegExp(`journal/${name} is damaged`) });
  bytes[100]! ^= 1;
  await writeFile(segment, bytes);
  await writeFile(join(path, 'journal', 'other'), '');
  await assert.rejects(restoreBackup(path, back), { code: 'HYD_BACKUP', message: /holds journal\/other/ });
  assert.deepEqual((await readdir(folder.path)).sort(), ['b', 'data']);
});

test('a cut tar is refused at every length', async () => {
  const path = join(folder.path, 'b.tar');
  await saveBackup(data, await tarFileSink(path));
  const whole = await readFile(path);
  const back = join(folder.path, 'back');
  for (const length of [0, 100, 512, 700, whole.length - 5000, whole.length - 1024]) {
    await writeFile(path, whole.subarray(0, length));
    await assert.rejects(restoreBackup(path, back), { code: 'HYD_BACKUP' }, `${length} bytes`);
  }
});

test('a path that leads out of the data folder, or does not belong into it, is refused', async () => {
  for (const path of ['archive/../../evil', '/etc/evil', 'lock', 'journal/', 'journal/.evil']) {
    const sink = await tarFileSink(join(folder.path, 'evil.tar'));
    await sink.add({ path, bytes: 0, content: (async function* () {})() });
    await sink.end();
    await assert.rejects(restoreBackup(join(folder.path, 'evil.tar'), join(folder.path, 'back')), {
      code: 'HYD_BACKUP',
      message: new RegExp(JSON.stringify(path)),
    });
  }
});

test('a folder that holds something is neither backed up to nor restored into', async () => {
  await assert.rejects(folderSink(data), { code: 'HYD_USAGE', message: /is not empty/ });
  await saveBackup(data, await folderSink(join(folder.path, 'b')));
  await assert.rejects(restoreBackup(join(folder.path, 'b'), data), { code: 'HYD_USAGE' });
  assert.equal((await readFile(join(data, 'journal', name))).length > durable, true);
});
