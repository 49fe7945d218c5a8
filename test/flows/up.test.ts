import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { folderHolder } from '../../src/app/folder-lock.ts';
import { Child } from '../../src/testing/child.ts';
import { within } from '../../src/testing/deadline.ts';
import { findEvents, HYDRANT_BIN, type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { openNotifySocket } from '../../src/testing/notify-socket.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const FREE_PORTS = ['--set', 'listeners.mqtt.port=0', '--set', 'listeners.http.port=0'];
let shown: HydrantServer | undefined;

afterEach((t) => {
  shown?.showLogIfFailed(t as { name: string; passed?: boolean });
  shown = undefined;
});

async function start(options: Parameters<typeof startHydrant>[0]): Promise<HydrantServer> {
  shown = await startHydrant(options);
  return shown;
}

async function publish(server: HydrantServer, topic: string, body: string, query = ''): Promise<number> {
  const response = await fetch(`${server.httpUrl}/t/${topic}${query}`, { method: 'POST', body });
  assert.equal(response.status, 200, await response.clone().text());
  return ((await response.json()) as { seq: number }).seq;
}

/** The sequences of the first events of a stream. */
async function readSeqs(url: string, count: number, headers: Record<string, string> = {}): Promise<number[]> {
  const aborter = new AbortController();
  const response = await fetch(url, { headers, signal: AbortSignal.any([aborter.signal, AbortSignal.timeout(20_000)]) });
  assert.equal(response.status, 200);
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const seqs = [...text.matchAll(/"seq":(\d+)[^\n]*\n/g)].map((match) => Number(match[1]));
    if (seqs.length >= count) {
      aborter.abort();
      return seqs;
    }
  }
  throw new Error(`the stream ended after ${text}`);
}

test('the ready line names data folder and listeners, and nothing but JSON is on stdout', async () => {
  await using server = await start({ args: ['--demo'] });
  assert.match(server.mqttUrl, /^mqtt:\/\/127\.0\.0\.1:[1-9]\d+$/);
  assert.match(server.wsUrl, /^ws:\/\/127\.0\.0\.1:[1-9]\d+$/);
  assert.equal(server.wsUrl.slice(2), server.httpUrl.slice(4));
  const ready = server.log.find((entry) => entry.event === 'ready')!;
  assert.equal(ready.data, server.data);
  assert.deepEqual(Object.keys(ready.listeners as object), ['mqtt', 'ws', 'http']);
  const demo = await readSeqs(`${server.httpUrl}/events?since=0`, 3);
  assert.deepEqual(demo, [1, 2, 3]);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  for (const line of server.child.stdout.trimEnd().split('\n')) assert.doesNotThrow(() => JSON.parse(line), line);
  assert.equal(server.child.stderr, '');
});

test('an event is on disk when HTTP answers: it is found after kill -9, and the stream goes on from where it was', async () => {
  await using folder = await createTempFolder();
  const data = join(folder.path, 'data');
  const seqs: number[] = [];
  {
    await using server = await start({ data });
    seqs.push(await publish(server, 'a/b%20c', 'first'), await publish(server, 'a/2', 'second', '?qos=0&id=own'));
    await server.kill();
  }
  const found = await findEvents(data, 'a/#');
  assert.deepEqual(
    found.map(({ topic, payload, seq, id }) => [topic, Buffer.from(payload).toString(), seq, id]),
    [
      ['a/b c', 'first', seqs[0], undefined],
      ['a/2', 'second', seqs[1], 'own'],
    ],
  );
  await using server = await start({ data });
  seqs.push(await publish(server, 'a/3', 'third'));
  assert.deepEqual(await readSeqs(`${server.httpUrl}/events?filter=a/%23&since=1h`, 3), seqs);
  assert.deepEqual(
    await readSeqs(`${server.httpUrl}/events?filter=a/%23&format=sse`, 2, { 'last-event-id': String(seqs[0]) }),
    seqs.slice(1),
  );
});

test('history joins the live stream without gap or double', async () => {
  await using server = await start({});
  const before = await Promise.all(Array.from({ length: 50 }, (_, i) => publish(server, `g/${i}`, 'x')));
  const streaming = readSeqs(`${server.httpUrl}/events?filter=g/%23&since=${Math.min(...before)}`, 150);
  const after: number[] = [];
  for (let i = 0; i < 100; i++) after.push(await publish(server, `g/${i}`, 'y'));
  assert.deepEqual(
    await streaming,
    [...before, ...after].sort((a, b) => a - b),
  );
});

test('the second server on a data folder is refused within a second and told who holds it', async () => {
  await using server = await start({});
  const startedMs = performance.now();
  const second = await runHydrant(['up', '--data', server.data, ...FREE_PORTS]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`the data folder ${server.data} is in use by process ${server.pid} on .* \\(hydrant up `));
  assert.match(second.stderr, /fix: Stop the process named above, or give this one its own folder with --data DIR\./);
  assert.ok(performance.now() - startedMs < 5000, 'most of it is starting Node');
  assert.equal((await fetch(`${server.httpUrl}/readyz`)).status, 200);
});

test('a busy port is named with the flag that changes it, and the folder is free again', async () => {
  await using folder = await createTempFolder();
  const busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  const { port } = busy.address() as AddressInfo;
  try {
    for (const key of ['listeners.mqtt', 'listeners.http']) {
      const { code, stderr } = await runHydrant(['up', '--data', folder.path, ...FREE_PORTS, '--set', `${key}.port=${port}`]);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`port ${port} on 127\\.0\\.0\\.1 \\(${key}\\.port\\) is in use`));
      assert.match(stderr, new RegExp(`--set ${key}\\.port=${port + 1} \\(0 picks a free one\\)`));
    }
  } finally {
    busy.close();
  }
  await using server = await start({ data: folder.path });
  assert.equal((await fetch(`${server.httpUrl}/healthz`)).status, 200);
});

test('a mistake in the configuration ends it with exit code 2 and file, line and key, before anything is made', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'c.yaml');
  await writeFile(file, 'listeners:\n  mqtt:\n    prot: 1884\n');
  const { code, stdout, stderr } = await runHydrant(['up', '--config', file, '--data', join(folder.path, 'data')]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /c\.yaml:3:5: there is no key listeners\.mqtt\.prot; did you mean listeners\.mqtt\.port\?/);
  const exposed = await runHydrant(['up', '--data', join(folder.path, 'data'), '--set', 'listeners.mqtt.host=0.0.0.0']);
  assert.equal(exposed.code, 2);
  assert.match(exposed.stderr, /listeners\.allowAnonymousRemote/);
});

test('bound beyond loopback by name it starts, says so loudly, and answers other names', async () => {
  await using server = await start({ set: { 'listeners.http.host': '0.0.0.0', 'listeners.allowAnonymousRemote': true } });
  assert.ok(server.log.some((entry) => entry.level === 'warn' && /ANYBODY/.test(String(entry.message))));
  const socket = connect(server.httpPort, '127.0.0.1');
  socket.write('GET /healthz HTTP/1.1\r\nHost: bus.example.org\r\nConnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  assert.match(text, /^HTTP\/1\.1 200 /);
});

test('SIGHUP takes over what it can, names what needs a restart, and a bad file changes nothing', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'c.yaml');
  await writeFile(file, 'log: {level: info}\n');
  await using server = await start({ args: ['--config', file] });
  const reload = async (yaml: string, count: number) => {
    await writeFile(file, yaml);
    server.child.signal('SIGHUP');
    return server
      .logged(() => server.log.filter((entry) => entry.event === 'reload').length === count, `reload ${count}`)
      .then(() => server.log.findLast((entry) => entry.event === 'reload')!);
  };
  const bad = await reload('log: {level: loud}\njournal: {rotate: {bytes: 1MiB}}\n', 1);
  assert.equal(bad.level, 'error');
  assert.match(String(bad.error), /c\.yaml:1:14: log\.level is "loud"/);
  const good = await reload(
    'log: {level: debug}\nlisteners: {mqtt: {host: 127.0.0.9}}\narchive: {exclude: {filters: [noise/#]}}\nlimits: {inFlight: 5, packetBytes: 2MiB}\n',
    2,
  );
  assert.deepEqual(
    [good.applied, good.needRestart],
    [
      ['archive.exclude.filters', 'limits.inFlight', 'log.level'],
      ['listeners.mqtt.host', 'limits.packetBytes'],
    ],
  );
  const undone = await reload('log: {level: info}\n', 3);
  assert.deepEqual([undone.applied, undone.needRestart], [['archive.exclude.filters', 'limits.inFlight', 'log.level'], []]);
  assert.equal((await fetch(`${server.httpUrl}/healthz`)).status, 200);
});

test('a SIGHUP counts also when other commands cannot be told of it, as when the disk is full', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'c.yaml');
  await writeFile(file, 'log: {level: info}\n');
  await using server = await start({ args: ['--config', file] });
  const told = join(server.data, 'lock.json');
  await rm(told);
  await mkdir(told);
  await writeFile(file, 'archive: {exclude: {filters: [noise/#]}}\n');
  server.child.signal('SIGHUP');
  const { level, applied } = await server.logged((entry) => entry.event === 'reload', 'the reload');
  assert.deepEqual([level, applied], ['info', ['archive.exclude.filters']]);
  assert.equal((await fetch(`${server.httpUrl}/healthz`)).status, 200);
  await rmdir(told);
});

test('a SIGHUP that comes while the server starts is not forgotten', async () => {
  await using folder = await createTempFolder();
  const data = join(folder.path, 'data');
  await using child = new Child(HYDRANT_BIN, ['up', '--data', data, ...FREE_PORTS]);
  while (!existsSync(join(data, 'lock.json'))) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.doesNotMatch(child.text(), /"event":"ready"/);
  child.signal('SIGHUP');
  await child.line((line) => (line.includes('"event":"reload"') ? line : undefined), 20_000, 'the reload');
  assert.match(child.text(), /"event":"ready"[\s\S]*"event":"reload"/);
});

test('topics excluded from the journal after a SIGHUP go out live and are not kept', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'c.yaml');
  await writeFile(file, '');
  await using server = await start({ args: ['--config', file] });
  await publish(server, 'noise/1', 'kept');
  await writeFile(file, 'journal: {exclude: [noise/#]}\n');
  server.child.signal('SIGHUP');
  await server.logged((entry) => entry.event === 'reload', 'the reload');
  await publish(server, 'noise/2', 'not kept');
  await publish(server, 'end', 'x');
  assert.deepEqual(
    (await findEvents(server.data)).map(({ topic }) => topic),
    ['noise/1', 'end'],
  );
});

test('what does not end is cut at the deadline, and the exit code is still 0', async () => {
  await using server = await start({ set: { 'shutdown.deadline': '300ms' } });
  const unfinished = connect(server.httpPort, '127.0.0.1');
  unfinished.on('error', () => {});
  unfinished.write('POST /t/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nhalf');
  await publish(server, 'b', 'x');
  const startedMs = performance.now();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  assert.ok(performance.now() - startedMs < 5000);
  unfinished.destroy();
});

test('systemd hears when it is ready, reloads and stops', async () => {
  await using systemd = await openNotifySocket();
  await using server = await start({ env: { NOTIFY_SOCKET: systemd.path } });
  assert.match(await systemd.heard(/READY=1/), new RegExp(`MAINPID=${server.pid}`));
  server.child.signal('SIGHUP');
  await systemd.heard(/RELOADING=1/);
  const stopping = systemd.heard(/STOPPING=1/);
  assert.equal((await server.stop()).code, 0);
  await stopping;
});

/** A server on a terminal of its own, as a person starts it. */
async function startOnTerminal(data: string): Promise<{ terminal: Child; pid: number }> {
  const terminal = new Child('script', ['-qec', ['exec', HYDRANT_BIN, 'up', '--data', data, ...FREE_PORTS].join(' '), '/dev/null']);
  await terminal.line((line) => (line.includes('Ctrl-C stops it') ? true : undefined), 20_000, 'the banner');
  return { terminal, pid: (JSON.parse(await readFile(join(data, 'lock.json'), 'utf8')) as { pid: number }).pid };
}

test('on a terminal it greets a person with URLs, data folder and the next command, and logs plain text', async () => {
  await using folder = await createTempFolder();
  const data = join(folder.path, 'data');
  const { terminal, pid } = await startOnTerminal(data);
  process.kill(pid, 'SIGHUP');
  await terminal.line((line) => (/info {2}the configuration was read again/.test(line) ? true : undefined), 20_000, 'the reload');
  process.kill(pid, 'SIGTERM');
  assert.equal((await terminal.exited).code, 0);
  const text = terminal.text();
  for (const wanted of [
    /Hydrant \d+\.\d+\.\d+ is ready/,
    /page +http:\/\/127\.0\.0\.1:\d+\//,
    new RegExp(`data +${data}`),
    /hydrant sub -t '#' -v --url mqtt:\/\/127\.0\.0\.1:\d+/,
    /\d\d:\d\d:\d\d info {2}stopped/,
  ]) {
    assert.match(text, wanted);
  }
  assert.doesNotMatch(text, /^\{/m);
});

test('it ends when its terminal is closed', async () => {
  await using folder = await createTempFolder();
  const data = join(folder.path, 'data');
  const { terminal } = await startOnTerminal(data);
  await terminal.kill('SIGKILL');
  const free = async (): Promise<void> => {
    while (folderHolder(data)) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await within(free(), 20_000, 'the data folder to be free');
});

test('without MQTT over TCP there is no such listener, and websockets still work', async () => {
  await using folder = await createTempFolder();
  await using child = new Child(HYDRANT_BIN, ['up', '--data', folder.path, ...FREE_PORTS, '--set', 'listeners.mqtt.enabled=false']);
  const ready = await child.line(
    (line) => (line.includes('"ready"') ? (JSON.parse(line) as { listeners: object }) : undefined),
    20_000,
    'its ready line',
  );
  assert.deepEqual(Object.keys(ready.listeners), ['ws', 'http']);
  assert.deepEqual(await child.kill('SIGINT'), { code: 0, signal: null });
});
