import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { createTestAuthority } from '../../src/testing/certificates.ts';
import { run } from '../../src/testing/child.ts';
import { startArchiver, startArchiverProcess } from '../../src/testing/hydrant-archiver.ts';
import { findEvents, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort, type Mosquitto, startMosquitto } from '../../src/testing/mosquitto.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';
import type { StoredEvent } from '../../src/wire/event.ts';
import { decodeGap } from '../../src/wire/gap.ts';

let mosquitto: Mosquitto;
let publisher: RawClient;
let folder: TempFolder;
let names = 0;

before(async () => {
  mosquitto = await startMosquitto();
  publisher = await RawClient.connect(mosquitto.url, { auto: true });
  folder = await createTempFolder();
});

after(async () => {
  publisher?.destroy();
  await mosquitto?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** A data folder of its own, and a topic that no other test uses. */
function place(): { data: string; topic: string } {
  const name = `t${++names}`;
  return { data: join(folder.path, name), topic: name };
}

const texts = (events: StoredEvent[]): string[] => events.map(({ payload }) => Buffer.from(payload).toString());

test('what a broker delivers at every QoS is in the remote store when the archiver has stopped, and find reads it there', async () => {
  const { data, topic } = place();
  const remote = pathToFileURL(join(folder.path, 'remote')).href;
  await using archiver = await startArchiver({ broker: mosquitto.url, data, args: ['--to', remote, '--filter', `${topic}/#`] });
  const { clientId, to, listeners } = await archiver.ready();
  assert.match(String(clientId), /^archive-[0-9a-f]{12}$/);
  assert.deepEqual([to, listeners], [remote, {}]);
  for (const qos of [0, 1, 2] as const) await publisher.deliver(`${topic}/${qos}`, `at ${qos}`, { qos });
  await publisher.deliver(`${topic}/end`, '', { qos: 1 });
  await archiver.recorded(`${topic}/end`);
  assert.deepEqual(await archiver.stop(), { code: 0, signal: null });
  const { stdout, stderr, code } = await runHydrant(['find', '--from', remote, '-o', 'ndjson']);
  assert.equal(code, 0, stderr);
  const lines = stdout.trim().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { topic: string }).topic).sort(),
    ['0', '1', '2', 'end'].map((level) => `${topic}/${level}`),
  );
  const files = await readdir(join(folder.path, 'remote'), { recursive: true });
  assert.ok(files.some((name) => name.endsWith('.manifest.json')) && files.some((name) => name.endsWith('.ndjson.gz')));
});

test('what comes while the archiver is away is archived by the next one (archive defect 9)', async () => {
  const { data, topic } = place();
  const start = () => startArchiver({ broker: mosquitto.url, data, args: ['--engine', mosquitto.url, '--filter', `${topic}/#`] });
  {
    await using archiver = await start();
    assert.equal((await archiver.stop()).code, 0);
  }
  for (const qos of [1, 2] as const) await publisher.deliver(`${topic}/a`, `missed ${qos}`, { qos });
  await publisher.deliver(`${topic}/end`, 'end', { qos: 1 });
  await using archiver = await start();
  await archiver.recorded(`${topic}/end`);
  assert.deepEqual(texts(await findEvents(data)), ['missed 1', 'missed 2', 'end']);
});

test('another URL of the broker that has the session is no gap, a broker that has none is one', async () => {
  const { data, topic } = place();
  const start = (broker: string) => startArchiver({ broker, data, args: ['--filter', `${topic}/#`] });
  await (await start(mosquitto.url)).stop();
  await publisher.deliver(`${topic}/a`, 'missed', { qos: 2 });
  {
    await using archiver = await start(mosquitto.url.replace('127.0.0.1', 'localhost'));
    await archiver.recorded(`${topic}/a`);
    assert.equal((await archiver.stop()).code, 0);
  }
  assert.deepEqual(texts(await findEvents(data)), ['missed']);
  assert.deepEqual(await findEvents(data, '$hydrant/gap'), []);
  await using other = await startMosquitto();
  await using archiver = await start(other.url);
  assert.equal((await archiver.logged((entry) => entry.event === 'gap', 'the gap')).broker, other.url);
  await archiver.recorded('$hydrant/gap');
});

test('topics are left out by filter and by regular expression, and a reload changes which', async () => {
  const { data, topic } = place();
  const config = join(folder.path, `${topic}.yaml`);
  const exclude = (filters: string[], regex: string[], health: object = {}): Promise<void> =>
    writeFile(config, JSON.stringify({ archive: { exclude: { filters, regex } }, health }));
  await exclude([`${topic}/+/debug`], [`^${topic}/tmp`]);
  await using archiver = await startArchiver({ broker: mosquitto.url, data, args: ['-c', config, '--filter', `${topic}/#`] });
  for (const level of ['x/debug', 'tmp1', 'kept']) await publisher.deliver(`${topic}/${level}`, level, { qos: 1 });
  await archiver.recorded(`${topic}/kept`);
  await exclude([], [`^${topic}/kept`], { minFreeBytes: '1MiB', port: 0 });
  archiver.child.signal('SIGHUP');
  const { applied, needRestart } = await archiver.logged((entry) => entry.event === 'reload', 'the reload');
  assert.deepEqual(applied, ['archive.exclude.filters', 'archive.exclude.regex', 'health.minFreeBytes']);
  assert.deepEqual(needRestart, ['health.port']);
  for (const level of ['kept', 'x/debug']) await publisher.deliver(`${topic}/${level}`, `${level} again`, { qos: 1 });
  await archiver.recorded(`${topic}/x/debug`);
  assert.deepEqual(texts(await findEvents(data)), ['kept', 'x/debug again']);
});

for (const version of ['5', '3.1.1']) {
  test(`MQTT ${version}: what is retained at the start is skipped unless it is to be kept; live publishes never are`, async () => {
    const { topic } = place();
    await publisher.deliver(`${topic}/old`, 'old', { qos: 1, retain: true });
    for (const retained of ['skip', 'keep']) {
      const { data } = place();
      const args = ['-V', version, '--filter', `${topic}/#`, '--retained', retained];
      await using archiver = await startArchiver({ broker: mosquitto.url, data, args });
      await publisher.deliver(`${topic}/live`, 'live', { qos: 1, retain: true });
      await archiver.recorded(`${topic}/live`);
      const events = await findEvents(data);
      assert.deepEqual(texts(events), retained === 'keep' ? ['old', 'live'] : ['live']);
      await publisher.deliver(`${topic}/live`, '', { qos: 1, retain: true });
    }
    await publisher.deliver(`${topic}/old`, '', { qos: 1, retain: true });
  });
}

test('a broker that cannot be reached is tried until it is there; a stop meanwhile is an orderly one', async () => {
  const { data, topic } = place();
  const port = await freePort();
  const broker = `mqtt://127.0.0.1:${port}`;
  await using archiver = await startArchiverProcess({ broker, data });
  await archiver.logged((entry) => entry.level === 'warn' && String(entry.message).includes('broker'), 'a line that says why it waits');
  await using other = await startArchiverProcess({ broker, data: `${data}-other` });
  await other.logged((entry) => entry.message === 'connecting', 'its first line');
  assert.deepEqual(await other.stop(), { code: 0, signal: null });
  assert.equal(
    archiver.child.lines.some((line) => line.includes('"event":"ready"')),
    false,
  );
  await using late = await startMosquitto({ port });
  await archiver.ready(60_000);
  using client = await RawClient.connect(late.url, { auto: true });
  await client.deliver(`${topic}/a`, 'now', { qos: 1 });
  await archiver.recorded(`${topic}/a`);
});

test('a broker that has lost the session is told of in the archive, and the subscription stands again (archive defect 8)', async () => {
  const { data, topic } = place();
  await using first = await startMosquitto();
  await using archiver = await startArchiver({ broker: first.url, data });
  {
    using client = await RawClient.connect(first.url, { auto: true });
    await client.deliver(`${topic}/before`, 'before', { qos: 2 });
  }
  await archiver.recorded(`${topic}/before`);
  await first.kill('SIGKILL');
  await using second = await startMosquitto({ port: first.port });
  const told = await archiver.logged((entry) => entry.event === 'gap', 'the gap', 60_000);
  assert.equal(told.broker, first.url);
  await archiver.recorded('$hydrant/gap');
  using client = await RawClient.connect(second.url, { auto: true });
  let stands = false;
  const standing = archiver.recorded(`${topic}/stands`).then(() => (stands = true));
  for (; !stands; await sleep(20))
    await client.deliver(`${topic}/stands`, 'the new session has its subscription a moment after CONNACK', { qos: 1 });
  await standing;
  await client.deliver(`${topic}/after`, 'after', { qos: 2 });
  await archiver.recorded(`${topic}/after`);
  assert.deepEqual(texts([...(await findEvents(data, `${topic}/before`)), ...(await findEvents(data, `${topic}/after`))]), [
    'before',
    'after',
  ]);
  const [gap] = await findEvents(data, '$hydrant/gap');
  const { reason, from, until } = decodeGap(gap!)!;
  assert.equal(reason, 'session-lost');
  assert.ok(Date.parse(from) <= Date.parse(until), `${from} to ${until}`);
});

test('a broker that is frozen does not keep the archiver from ending in order, with all that it had sealed', async () => {
  const { data, topic } = place();
  await using frozen = await startMosquitto();
  await using archiver = await startArchiver({ broker: frozen.url, data, args: ['--set', 'shutdown.deadline=3s'] });
  {
    using client = await RawClient.connect(frozen.url, { auto: true });
    await client.deliver(`${topic}/a`, 'a', { qos: 2 });
  }
  await archiver.recorded(`${topic}/a`);
  await frozen.kill('SIGSTOP');
  assert.deepEqual(await archiver.stop(), { code: 0, signal: null });
  const files = await readdir(join(data, 'archive'), { recursive: true });
  assert.ok(files.some((name) => name.endsWith('.manifest.json')));
});

test('a wrong password ends it with 4 and the fix', async () => {
  const { data } = place();
  const passwords = join(folder.path, 'passwords');
  await writeFile(passwords, '');
  assert.equal((await run('mosquitto_passwd', ['-b', passwords, 'arc', 'right'])).code, 0);
  await using guarded = await startMosquitto({ config: ['allow_anonymous false', `password_file ${passwords}`] });
  const refused = await runHydrant(['archive', '--broker', guarded.url, '-u', 'arc', '-P', 'wrong', '--data', data]);
  assert.equal(refused.code, 4, refused.stderr);
  assert.match(refused.stderr, /fix: .*(password|account)/i);
  const given = new URL(guarded.url);
  given.username = 'arc';
  given.password = 'right';
  await using archiver = await startArchiver({ broker: given.href, data });
  assert.ok(!archiver.child.text().includes('right'), 'the password is in the log');
});

test('two archivers on one client id: the one that was thrown out ends with 4 and says why', async () => {
  const { data } = place();
  const args = ['--client-id', 'the-same'];
  await using first = await startArchiver({ broker: mosquitto.url, data, args });
  await using second = await startArchiver({ broker: mosquitto.url, data: `${data}-other`, args });
  const { code } = await first.child.exited;
  assert.equal(code, 4, first.child.text());
  assert.match(first.child.stderr, /the-same/);
  assert.match(first.child.stderr, /fix: .*client id/);
  assert.equal((await second.stop()).code, 0);
});

test('one data folder has one archiver', async () => {
  const { data } = place();
  await using archiver = await startArchiver({ broker: mosquitto.url, data });
  const { code, stderr } = await runHydrant(['archive', '--broker', mosquitto.url, '--data', data]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`process ${archiver.child.pid} `));
});

test('the configuration of mqtt-archiver is all it takes, and its session goes on without a gap', async () => {
  const { data, topic } = place();
  const clientId = `seed-${topic}`;
  {
    using seed = await RawClient.connect(mosquitto.url, { clientId, clean: false });
    await seed.subscribe('#', 2);
    await seed.disconnect();
  }
  await publisher.deliver(`${topic}/between`, 'between', { qos: 2 });
  const file = join(folder.path, 'mqtt-archiver.yaml');
  await writeFile(file, `mqtt:\n  broker: ${mosquitto.url.replace('mqtt:', 'tcp:')}\n  clientId: ${clientId}\nexclude: ^never\n`);
  assert.equal((await runHydrant(['archive', 'import-config', file, '--data', data])).code, 0);
  const again = await runHydrant(['archive', 'import-config', file, '--data', data]);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /hydrant\.yaml is there already/);
  await using archiver = await startArchiver({ data });
  assert.equal((await archiver.ready()).layout, 'daily');
  await archiver.recorded(`${topic}/between`);
  assert.deepEqual(texts(await findEvents(data, `${topic}/#`)), ['between']);
});

test('a server of our own is archived as well: QoS 2 once, with all that MQTT 5 carries', async () => {
  const { data, topic } = place();
  await using server = await startHydrant();
  await using archiver = await startArchiver({ broker: server.mqttUrl, data });
  using client = await RawClient.connect(server.mqttUrl, { auto: true, version: 5 });
  const properties = { contentType: 'text/plain', responseTopic: 'answers', userProperties: { unit: 'C' } };
  await client.deliver(`${topic}/a`, '21', { qos: 2, properties });
  await archiver.recorded(`${topic}/a`);
  const [event] = await findEvents(data);
  assert.deepEqual([event!.qos, event!.contentType, event!.props], [2, 'text/plain', { reply: 'answers', user: [['unit', 'C']] }]);
});

test('it answers how it is: ready with the broker, not without it, and its counts as metrics', async () => {
  const { data, topic } = place();
  await using broker = await startMosquitto();
  await using archiver = await startArchiver({ broker: broker.url, data, args: ['--http', '0'] });
  const { http } = (await archiver.ready()).listeners as { http: string };
  const get = async (path: string) => {
    const response = await fetch(http + path);
    return { status: response.status, text: await response.text() };
  };
  using client = await RawClient.connect(broker.url, { auto: true });
  await client.deliver(`${topic}/a`, '12345', { qos: 2 });
  await archiver.recorded(`${topic}/a`);
  assert.deepEqual(await get('/healthz'), { status: 200, text: '{"status":"ok"}' });
  assert.deepEqual(await get('/readyz'), { status: 200, text: '{"status":"ready"}' });
  assert.equal((await get('/')).status, 404);
  const { text } = await get('/metrics');
  for (const line of ['hydrant_intake_connected 1', 'hydrant_intake_bytes_total 5', 'hydrant_journal_writable 1'])
    assert.ok(text.includes(`\n${line}\n`), `${line} is not in\n${text}`);
  await broker.kill('SIGKILL');
  await archiver.logged((entry) => /connection to the broker is lost/.test(String(entry.message)), 'the line that says so');
  const { status, text: why } = await get('/readyz');
  assert.equal(status, 503);
  assert.match(why, /the broker is not connected/);
});

test('a broker behind TLS is checked, and shown a client certificate; of two the one that is there is taken', async () => {
  const { data, topic } = place();
  await using authority = await createTestAuthority();
  await using stranger = await createTestAuthority('somebody else');
  const own = await authority.server();
  const mine = await authority.client('arc');
  const port = await freePort();
  const tls = ['cafile', 'certfile', 'keyfile'].map((key, i) => `${key} ${[authority.ca, own.cert, own.key][i]}`);
  await using guarded = await startMosquitto({ config: [`listener ${port} 127.0.0.1`, ...tls, 'require_certificate true'] });
  const broker = `mqtts://127.0.0.1:${port}`;
  const refused = await runHydrant(['archive', '--broker', broker, '--cafile', stranger.ca, '--data', data]);
  assert.equal(refused.code, 4, refused.stderr);
  assert.match(refused.stderr, /certificate/);
  for (const [args, key] of [
    [['--cafile', '/nowhere.pem'], /archive\.broker\.tls\.ca \/nowhere\.pem/],
    [['--cert', mine.cert], /archive\.broker\.tls\.cert/],
    [['--cert', own.cert, '--key', mine.key], /archive\.broker\.tls\.key/],
  ] as const) {
    const { code, stderr } = await runHydrant(['archive', '--broker', broker, '--data', data, ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, key);
  }
  const files = ['--cafile', authority.ca, '--cert', mine.cert, '--key', mine.key];
  const dead = `mqtts://127.0.0.1:${await freePort()}`;
  await using archiver = await startArchiver({ broker: dead, data, args: ['--broker', broker, ...files] });
  using client = await RawClient.connect(guarded.url, { auto: true });
  await client.deliver(`${topic}/a`, 'safe', { qos: 2 });
  await archiver.recorded(`${topic}/a`);
});

test('a file where the store should be is told at the start with the fix, and archiving goes on', async () => {
  const { data, topic } = place();
  const file = join(folder.path, 'no-folder');
  await writeFile(file, '');
  const args = ['--to', pathToFileURL(file).href, '--filter', `${topic}/#`];
  await using archiver = await startArchiver({ broker: mosquitto.url, data, args });
  const said = (line: string) => (line.includes('is a file, not a folder') ? (JSON.parse(line) as { fix: string }) : undefined);
  assert.match((await archiver.child.line(said, 20_000, 'what is wrong with the store')).fix, /^Name a folder/);
  using client = await RawClient.connect(mosquitto.url, { auto: true });
  await client.deliver(`${topic}/a`, 'kept here', { qos: 1 });
  await archiver.recorded(`${topic}/a`);
});

test('what cannot be a broker, and what would go unencrypted, is refused with 2 and what was meant', async () => {
  const { data } = place();
  const file = join(folder.path, 'no-pem');
  await writeFile(file, 'hello');
  const cases: [args: string[], said: RegExp][] = [
    [
      ['--broker', 'broker.example.org:1883'],
      /"broker\.example\.org:1883" is not .*\n.*fix: .*--broker mqtt:\/\/broker\.example\.org:1883\n/,
    ],
    [['--engine', 'tcp://127.0.0.1'], /fix: .*--broker mqtt:\/\/127\.0\.0\.1\n/],
    [['--broker', 'ssl://127.0.0.1:8883'], /fix: .*--broker mqtts:\/\/127\.0\.0\.1:8883\n/],
    [['--broker', 'http://127.0.0.1'], /fix: Give --broker mqtt:\/\/HOST:PORT/],
    [['--broker', `${mosquitto.url}/plant`], /the path \/plant.*\n.*fix: Leave \/plant out; .*--filter/],
    [['--broker', mosquitto.url, '--cafile', file], /flag --cafile: archive\.broker\.tls\.ca .*nothing would be encrypted/],
    [['--broker', 'mqtts://127.0.0.1:1', '--cafile', file], /archive\.broker\.tls\.ca .*no-pem .*no certificate in it/],
    [
      ['--broker', mosquitto.url, '--endpoint', 'here'],
      /flag --endpoint: archive\.s3\.endpoint is "here".*\n.*fix: Correct the option named above/,
    ],
  ];
  await Promise.all(
    cases.map(async ([args, said]) => {
      const { code, stderr } = await runHydrant(['archive', ...args, '--data', data]);
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, said);
    }),
  );
});

test('without a broker it names the ways to give one', async () => {
  const { data } = place();
  const { code, stderr } = await runHydrant(['archive', '--data', data]);
  assert.equal(code, 2);
  assert.match(stderr, /--broker .*archive\.broker\.urls/);
});
