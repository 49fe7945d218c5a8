import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child, run } from '../../src/testing/child.ts';
import { within } from '../../src/testing/deadline.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const INSTALL_TIMEOUT_MS = 240_000;
/** As in a user's shell: without what npm tells the scripts it runs, and without this project's Node in PATH. */
const env = userEnvironment();
const PORTS = ['--set', 'listeners.mqtt.port=0', '--set', 'listeners.http.port=0'];
let folder: TempFolder;
/** The folder with a space in its name in which the package is installed. */
let place: string;

before(async () => {
  folder = await createTempFolder('hydrant-package');
  place = join(folder.path, 'an empty folder');
  await mkdir(place);
  const packed = await must('npm', ['pack', '--silent', '--pack-destination', folder.path], root);
  const tarball = join(folder.path, packed.trim().split('\n').at(-1)!);
  await must('npm', ['init', '--yes'], place);
  await must('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', tarball], place);
});

after(() => folder[Symbol.asyncDispose]());

test('the package runs a server, keeps what was published to it, and finds it again', async (t) => {
  const data = join(folder.path, 'data');
  t.after(() =>
    serverPid(data).then(
      (pid) => process.kill(pid, 'SIGKILL'),
      () => {},
    ),
  );
  await using server = new Child('npx', ['hydrant', 'up', '--data', data, ...PORTS], { cwd: place, env });
  const ready = await server.line(parseReady, 30_000, 'its ready line');
  assert.equal(ready.data, data);
  const published = await fetch(`${ready.listeners.http}/t/a/b`, { method: 'POST', body: 'from the package' });
  assert.equal(published.status, 200, await published.text());
  // npx does not hand a signal on to what it runs.
  process.kill(await serverPid(data), 'SIGTERM');
  assert.deepEqual(await within(server.exited, 30_000, () => `the end of npx\n${server.text()}`), { code: 0, signal: null }, server.text());

  const found = await must('npx', ['hydrant', 'find', 'a/b', '--data', data, '-o', 'ndjson'], place);
  const lines = found
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ topic, data }) => [topic, Buffer.from(data, 'base64').toString()]),
    [['a/b', 'from the package']],
  );
});

test('SQL needs a package of its own, which the package does not bring: the command says so', async () => {
  const { code, stderr } = await run('npx', ['hydrant', 'query', 'select 1', '--data', join(folder.path, 'data')], { cwd: place, env });
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^hydrant query: SQL needs DuckDB, which is not installed\n {2}fix: Run `npm install @duckdb\/node-api` in the folder/m,
  );
});

test('the command is the process itself, from any folder and through any link', async () => {
  const link = join(folder.path, 'a link');
  await symlink(join(place, 'node_modules', '.bin', 'hydrant'), link);
  await using server = new Child(link, ['up', '--data', join(folder.path, 'data2'), ...PORTS], { cwd: '/', env });
  await server.line(parseReady, 30_000, 'its ready line');
  assert.equal(basename(await readlink(`/proc/${server.pid}/exe`)), 'node');
  assert.deepEqual(await server.kill('SIGTERM'), { code: 0, signal: null }, server.text());
});

test('a program can import the package, with types', async () => {
  const text = `import { matchFilter, type Event } from 'hydrant';
const event: Event = { topic: 'a/b', payload: new Uint8Array(), qos: 1, retain: false };
if (!matchFilter('a/+', event.topic)) throw new Error('no match');
`;
  await writeFile(join(place, 'program.mts'), text);
  const types = ['--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node'];
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await must('node', [compiler, '--strict', '--module', 'nodenext', '--target', 'es2024', ...types, 'program.mts'], place);
  await must('node', ['program.mjs'], place);
});

test('a program can import the reliable client, in plain JavaScript and in TypeScript', async () => {
  const program = (types: string, as: string): string => `import { generic, HydrantError, openClient${types} } from 'hydrant/client';
const client${as && ': Client'} = await openClient({ outbox: process.argv[2]${as}, url: 'mqtt://127.0.0.1:9', profile: generic({ device: 'd1' }) });
const publication${as && ': Publication'} = client.publish({ topic: 'a', payload: 'kept' });
await publication.stored;
await client.channel('data', { whenFull: 'wait' }).publish({ reading: 1 }, { sub: 'flow' }).stored;
const { code } = await client.publish({ topic: '#', payload: '' }).stored.catch((error${as && ': HydrantError'}) => error)${as && ' as HydrantError'};
console.log(code, client.metrics().depth, await client.close({ deadlineMs: 0 }), HydrantError.name);
`;
  // The Node that the package brings.
  const node = join(place, 'node_modules', '.bin', 'node');
  const told = 'HYD_TOPIC 2 { remaining: 2 } HydrantError\n';
  await writeFile(join(place, 'device.mjs'), program('', ''));
  assert.equal(await must(node, ['device.mjs', join(folder.path, 'outbox1')], place), told);
  await writeFile(join(place, 'device-ts.mts'), program(', type Client, type Publication', ' as string'));
  const types = ['--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node'];
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await must('node', [compiler, '--strict', '--module', 'nodenext', '--target', 'es2024', ...types, 'device-ts.mts'], place);
  assert.equal(await must(node, ['device-ts.mjs', join(folder.path, 'outbox2')], place), told);
});

test('in a Node without SQLite the reliable client says which one it needs', async () => {
  const program = `import { openClient } from 'hydrant/client';
await openClient({ outbox: 'outbox4', url: 'mqtt://127.0.0.1:9' }).catch(({ code, message, fix }) => console.log(code, message, fix));`;
  await writeFile(join(place, 'older.mjs'), program);
  const told = await must(join(place, 'node_modules', '.bin', 'node'), ['--no-experimental-sqlite', 'older.mjs'], place);
  assert.match(told, /^HYD_UNSUPPORTED an outbox needs SQLite, which this Node v\S+ does not have Run the program with Node 24 or newer/);
});

test('the example of a device is in the package, and runs with the Node that the package brings', async () => {
  await copyFile(join(place, 'node_modules', 'hydrant', 'examples', 'device', 'device.mjs'), join(place, 'example.mjs'));
  const settings = { HYDRANT_URL: 'mqtt://127.0.0.1:9', OUTBOX: join(folder.path, 'outbox3') };
  await using child = new Child(join(place, 'node_modules', '.bin', 'node'), ['example.mjs'], { cwd: place, env: { ...env, ...settings } });
  await child.line((line) => line === '10 events are on disk' || undefined, 30_000, 'what it stored');
  assert.deepEqual(await child.kill('SIGTERM'), { code: 0, signal: null }, child.text());
});

test('the plugin for Ansible is in the package as it is here', async () => {
  const plugin = join('integrations', 'ansible', 'hydrant.py');
  assert.equal(await readFile(join(place, 'node_modules', 'hydrant', plugin), 'utf8'), await readFile(join(root, plugin), 'utf8'));
});

/** Its output; fails the test with all that it said when it does not end with 0. */
async function must(command: string, args: string[], cwd: string): Promise<string> {
  const done = await run(command, args, { cwd, env, timeoutMs: INSTALL_TIMEOUT_MS });
  assert.equal(done.code, 0, `${command} ${args.join(' ')}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** From the note that a server keeps in its data folder while it runs. */
async function serverPid(data: string): Promise<number> {
  return JSON.parse(await readFile(join(data, 'lock.json'), 'utf8')).pid;
}

interface Ready {
  data: string;
  listeners: { http: string };
}

function parseReady(line: string): Ready | undefined {
  const entry = line.startsWith('{') ? JSON.parse(line) : {};
  return entry.event === 'ready' ? entry : undefined;
}

function userEnvironment(): Record<string, string | undefined> {
  const path = process.env.PATH!.split(delimiter).filter((dir) => !dir.includes('node_modules'));
  const npm = Object.keys(process.env).filter((name) => /^npm_(?!config_(registry|cache|userconfig)$)/.test(name));
  return { ...Object.fromEntries(npm.map((name) => [name, undefined])), PATH: path.join(delimiter), HYDRANT_DATA: undefined };
}
