import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child, run } from '../../src/testing/child.ts';
import { HYDRANT_BIN, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { parseReady } from '../../src/testing/running-hydrant.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { githubHeaders, JSON_HEADERS } from '../../src/testing/webhooks.ts';
import { startWitness } from '../../src/testing/witness.ts';

const BODY = '{"ref":"refs/heads/main","repository":{"full_name":"a/b"}}';

test('a server takes several hooks on one port from its configuration, and counts what it refused', async () => {
  await using folder = await createTempFolder();
  const secret = join(folder.path, 'github.secret');
  await writeFile(secret, 'new secret\nold secret\n');
  const config = `sources:
  hooks:
    kind: webhook
    listen: 127.0.0.1:0
    hooks:
      - { path: /github, preset: github, secretFile: ${secret} }
      - { path: /builds, preset: generic, secret: token, topic: "builds/{job.name}/{status}", idHeader: X-Build }
`;
  await using server = await startHydrant({ config });
  await using witness = await startWitness(server.mqttUrl, ['github/#', 'builds/#']);
  const url = await server.child.line((line) => /"url":"(http:[^"]+)".*taking webhooks/.exec(line)?.[1], 20_000, 'where it listens');
  const curl = async (path: string, headers: Record<string, string>, body: string): Promise<number> => {
    const args = Object.entries({ ...JSON_HEADERS, ...headers }).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    return Number((await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...args, '-d', body, url + path])).stdout);
  };
  assert.equal(await curl('/github', githubHeaders('old secret', BODY, 'd-1'), BODY), 202);
  assert.equal(await curl('/github', githubHeaders('new secret', BODY, 'd-1'), BODY), 200);
  assert.equal(await curl('/github', githubHeaders('no secret', BODY, 'd-2'), BODY), 401);
  const token = { authorization: 'Bearer token', 'x-build': '7' };
  assert.equal(await curl('/builds', token, '{"job":{"name":"a/b"},"status":"ok"}'), 202);
  await witness.seen(2);
  assert.deepEqual(
    witness.events.map(({ topic, text }) => [topic, text]),
    [
      ['github/a/b/push', BODY],
      ['builds/a%2Fb/ok', '{"job":{"name":"a/b"},"status":"ok"}'],
    ],
  );
  const metrics = await (await fetch(`${server.httpUrl}/metrics`)).text();
  assert.match(metrics, /hydrant_source_refused_total\{source="hooks",reason="a signature is wrong"\} 1\n/);
  assert.match(metrics, /hydrant_source_published_total\{source="hooks"\} 2\n/);
});

test('a mistake in a hook is found before a start, with its place', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'hydrant.yaml');
  await writeFile(file, 'sources:\n  in:\n    kind: webhook\n    hooks:\n      - { path: /a, preset: github }\n');
  const { code, stderr } = await runHydrant(['config', 'check', '--config', file, '--data', folder.path]);
  assert.notEqual(code, 0);
  assert.match(stderr, /hydrant\.yaml:\d+.*sources\.in\.hooks\.0\.secret: there is none/);
});

test('the command says what is wrong with its options, and a mistake ends it', async () => {
  await using folder = await createTempFolder();
  const start = (...args: string[]) => runHydrant(['source', 'webhook', '--data', folder.path, ...args]);
  const unsigned = await start('--preset', 'github');
  assert.notEqual(unsigned.code, 0);
  assert.match(unsigned.stderr + unsigned.stdout, /--secret: there is none.*unsigned/);
  const template = await start('--preset', 'github', '--unsigned', '--topic', 'a/{b');
  assert.match(template.stderr + template.stdout, /is no template of a topic/);
  const preset = await start('--preset', 'gihub', '--unsigned');
  assert.match(preset.stderr, /github, gitlab/);
  assert.match((await start('--listen', 'here', '--preset', 'github')).stderr, /--listen: expected an address and a port/);
});

test('without the bus hooks are taken, so it stays ready, and a note says what waits', async () => {
  await using folder = await createTempFolder();
  const args = ['source', 'webhook', '--preset', 'generic', '--secret', 'token', '--listen', '127.0.0.1:0', '--set', 'health.port=0'];
  await using child = new Child(HYDRANT_BIN, [...args, '-d', folder.path, '--url', 'mqtt://127.0.0.1:9']);
  const { listeners } = await child.line(parseReady, 20_000, 'the ready line');
  const url = await child.line((line) => /"url":"(http:[^"]+)".*taking webhooks/.exec(line)?.[1], 20_000, 'where it listens');
  const posted = await fetch(url, { method: 'POST', headers: { authorization: 'Bearer token' }, body: '{}' });
  assert.equal(posted.status, 202);
  const ready = await fetch(`${(listeners as { http: string }).http}/readyz`);
  assert.equal(ready.status, 200);
  assert.deepEqual(await ready.json(), { status: 'ready', notes: ['the bus is not connected; events that wait: 1'] });
  assert.equal((await child.kill('SIGTERM')).code, 0);
});
