import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectClient } from '../../src/mqtt/client.ts';
import { createTestAuthority } from '../../src/testing/certificates.ts';
import { run } from '../../src/testing/child.ts';
import { runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort, startMosquitto } from '../../src/testing/mosquitto.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const MANY = 10_000;

interface Finding {
  check: string;
  status: string;
  detail: string;
  fix?: string;
}

async function doctor(args: string[]): Promise<{ code: number | null; findings: Record<string, Finding> }> {
  const output = await runHydrant(['doctor', '-o', 'ndjson', ...args]);
  const findings = output.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Finding);
  return { code: output.code, findings: Object.fromEntries(findings.map((finding) => [finding.check, finding])) };
}

test('the doctor is content with a running server and knows who it is', async () => {
  await using server = await startHydrant();
  const { code, findings } = await doctor(['--data', server.data]);
  assert.deepEqual(
    Object.values(findings).filter(({ status }) => status === 'fail'),
    [],
  );
  assert.equal(code, 0);
  assert.match(findings.server!.detail, new RegExp(`process ${server.pid} `));
  assert.match(findings['mqtt listener']!.detail, new RegExp(`${server.mqttUrl} answers in`));
  assert.match(findings['http listener']!.detail, /answers in/);
  for (const check of ['node', 'data folder', 'disk space', 'fsync', 'clock', 'archive']) assert.ok(findings[check], check);
});

test('the doctor looks at doors with TLS, also where clients need a certificate, and at how long the certificate lasts', async () => {
  await using authority = await createTestAuthority();
  const { cert, key } = await authority.server();
  const tls = { 'tls.cert': cert, 'tls.key': key, 'tls.ca': authority.ca, 'tls.clientCertificates': 'required' };
  await using server = await startHydrant({ set: tls });
  const settings = Object.entries(tls).flatMap(([path, value]) => ['--set', `${path}=${value}`]);
  const { code, findings } = await doctor(['--data', server.data, ...settings]);
  assert.equal(code, 0);
  for (const name of ['mqtts', 'wss', 'https']) assert.match(findings[`${name} listener`]!.detail, /answers in/);
  assert.equal(findings.certificate!.status, 'warn');
  assert.match(findings.certificate!.detail, /^expires on 20\d\d-\d\d-\d\d$/);
  const old = await authority.server('old', { expired: true });
  const late = await doctor(['--data', server.data, '--set', `tls.cert=${old.cert}`, '--set', `tls.key=${old.key}`]);
  assert.deepEqual([late.code, late.findings.certificate!.status], [1, 'fail']);
  const mixed = await doctor(['--set', `tls.cert=${cert}`, '--set', `tls.key=${old.key}`]);
  assert.match(mixed.findings.configuration!.detail, /old\.key is not the key of the certificate/);
});

test('the doctor names who holds a port, and the flag that changes it', async () => {
  await using folder = await createTempFolder();
  await using broker = await startMosquitto();
  const { code, findings } = await doctor([
    '--data',
    join(folder.path, 'new'),
    '--set',
    `listeners.mqtt.port=${broker.port}`,
    '--set',
    'listeners.http.port=0',
  ]);
  const { status, detail, fix } = findings['mqtt port']!;
  assert.equal(status, 'fail');
  assert.match(detail, new RegExp(`is held by mosquitto \\(process ${broker.pid}\\)`));
  assert.match(fix!, /--set listeners\.mqtt\.port=0/);
  assert.equal(code, 1);
  assert.equal(findings['data folder']!.status, 'warn');
});

test('the doctor says of a wrong configuration where the mistake is', async () => {
  const { code, findings } = await doctor(['--set', 'journal.qos=0']);
  assert.equal(code, 1);
  assert.match(findings.configuration!.detail, /journal\.qos/);
});

test('config check, show and schema', async () => {
  await using folder = await createTempFolder();
  const at = ['--data', folder.path];
  assert.match((await runHydrant(['config', 'check', ...at])).stdout, /^ok: no file/);
  const wrong = await runHydrant(['config', 'check', ...at, '--set', 'listners.mqtt.port=1']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^hydrant config check: .*listners.*\n? *.*did you mean .*listeners/s);
  const shown = await runHydrant(['config', 'show', ...at, '--set', 'log.level=debug']);
  const level = shown.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { path: string; value: unknown; origin: string })
    .find(({ path }) => path === 'log.level');
  assert.deepEqual([level!.value, level!.origin], ['debug', 'flag --set log.level']);
  assert.match((await runHydrant(['config', 'show', ...at, '-o', 'table', '--origin'])).stdout, /^KEY +VALUE +FROM +MEANING\n/);
  assert.equal((JSON.parse((await runHydrant(['config', 'schema'])).stdout) as { type: string }).type, 'object');
});

test('retained messages are listed from the folder, running or not, and from any broker; rm removes one', async () => {
  await using server = await startHydrant();
  const url = ['--url', server.mqttUrl];
  for (const topic of ['r/1', 'r/2', 'r/3']) await runHydrant(['pub', ...url, '-t', topic, '-m', `at ${topic}`, '-r', '-q', '1']);
  const overMqtt = await runHydrant(['retained', 'ls', ...url, '-o', 'raw']);
  assert.deepEqual(overMqtt.stdout.trim().split('\n').sort(), ['at r/1', 'at r/2', 'at r/3'], overMqtt.stderr);
  await using client = await connectClient({ url: server.mqttUrl });
  const many = Array.from({ length: MANY }, (_, i) =>
    client.publish({ topic: `many/${i}`, payload: 'x'.repeat(500), qos: 1, retain: true }),
  );
  await Promise.all(many);
  assert.equal(
    (await runHydrant(['retained', 'ls', 'many/#', ...url])).stdout.trim().split('\n').length,
    MANY,
    'none is missing however many there are',
  );
  const removed = await runHydrant(['retained', 'rm', 'r/2', ...url]);
  assert.deepEqual([removed.code, removed.stderr], [0, 'removed r/2\n']);
  assert.deepEqual((await runHydrant(['retained', 'ls', 'r/#', ...url, '-o', 'raw'])).stdout.trim().split('\n').sort(), [
    'at r/1',
    'at r/3',
  ]);
  await server.stop();
  const fromFolder = await runHydrant(['retained', 'ls', 'r/+', '--data', server.data]);
  const topics = fromFolder.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { topic: string }).topic);
  assert.deepEqual(topics, ['r/1', 'r/3'], fromFolder.stderr);
  const wild = await runHydrant(['retained', 'rm', 'r/#', ...url]);
  assert.equal(wild.code, 2);
  assert.match(wild.stderr, /topic "r\/#": a topic to publish to has no wildcard/);
});

test('bench measures a server of its own and leaves nothing behind', async () => {
  await using folder = await createTempFolder();
  const output = await runHydrant(['bench', '-n', '2000', '-S', '2', '--publishers', '2'], {
    env: { TMPDIR: folder.path },
    timeoutMs: 60_000,
  });
  assert.equal(output.code, 0, output.stderr);
  const result = JSON.parse(output.stdout) as Record<string, number>;
  assert.deepEqual([result.published, result.delivered, result.lost], [2000, 4000, 0]);
  assert.ok(result.p50Ms! <= result.p99Ms!);
  assert.equal((await run('ls', ['-A', folder.path])).stdout, '');
});

test('a port that is held is named by up, with the flag that changes it', async () => {
  await using folder = await createTempFolder();
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  const output = await runHydrant([
    'up',
    '--data',
    folder.path,
    '--set',
    `listeners.mqtt.port=${port}`,
    '--set',
    'listeners.http.port=0',
  ]).finally(() => other.close());
  assert.equal(output.code, 1);
  assert.match(output.stderr, new RegExp(`^hydrant up: .*${port}.*\\n {2}fix: .*listeners\\.mqtt\\.port`));
});

test('bash completes commands, options and values', async () => {
  const script = `source <("$HYDRANT" completion bash); try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hydrant; echo "\${COMPREPLY[*]}"; }
try hydrant ver; try hydrant archive v; try hydrant find --si; try hydrant find -o r; try hydrant config show --o`;
  const { HYDRANT_BIN } = await import('../../src/testing/hydrant-server.ts');
  const output = await run('bash', ['-c', script], { env: { HYDRANT: HYDRANT_BIN } });
  assert.deepEqual(output.stdout.trim().split('\n'), ['version', 'verify', '--since', 'raw', '--origin --output'], output.stderr);
});

test('zsh and fish get every command and option too', async () => {
  for (const [shell, words] of [
    ['zsh', ["'archive verify')", '--max-scan', ':file:_files']],
    ['fish', ['__hydrant_at "archive"', '-l max-scan', "-s o -l output -x -a 'table ndjson json raw'"]],
  ] as const) {
    const { stdout } = await runHydrant(['completion', shell]);
    for (const word of words) assert.ok(stdout.includes(word), `${shell}: ${word}`);
  }
  const unknown = await runHydrant(['completion', 'tcsh']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /Allowed choices are bash, zsh, fish/);
});

test('hydrant alone shows what to try; help and version go to stdout; a mistyped command is understood', async () => {
  const alone = await runHydrant([]);
  assert.equal(alone.code, 0);
  assert.equal(alone.stdout.match(/^ {2}hydrant /gm)!.length, 5);
  assert.match((await runHydrant(['--help'])).stdout, /Commands:\n {2}up/);
  assert.match((await runHydrant(['help', 'find'])).stdout, /Examples:\n {2}hydrant find/);
  assert.match((await runHydrant(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match((await runHydrant(['version'])).stdout, /^hydrant \d+\.\d+\.\d+\nnode v2\d/);
  const typo = await runHydrant(['finnd']);
  assert.deepEqual([typo.code, typo.stdout], [2, '']);
  assert.match(typo.stderr, /unknown command 'finnd'\n {2}fix: Did you mean find\?/);
});

test('HYDRANT_DEBUG=1 shows where an error came from', async () => {
  const output = await runHydrant(['pub', '-t', 'a/#', '-m', 'x'], { env: { HYDRANT_DEBUG: '1' } });
  assert.match(output.stderr, /\n {4}at .*topic\.[tj]s/);
});
