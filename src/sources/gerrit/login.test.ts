import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child, run } from '../../testing/child.ts';
import { until } from '../../testing/deadline.ts';
import { freePort } from '../../testing/mosquitto.ts';
import { startSource, testSource } from '../../testing/source-harness.ts';
import { makeKey, type Sshd, startSshd } from '../../testing/sshd.ts';
import type { TestStep } from '../source.ts';
import { gerrit } from './gerrit.ts';

const EVENT = '{"type":"comment-added","project":"nova","eventCreatedOn":1795300000}\n';
const PRINTS = { command: `while echo '${EVENT.trim()}'; do sleep 0.01; done` };

function optionsOf(sshd: Sshd, more: object = {}): object {
  return { host: '127.0.0.1', port: sshd.port, user: sshd.user, key: sshd.key, knownHosts: sshd.knownHosts, ...more };
}

/** The steps of a test as text, and the step that failed. */
async function tryOut(options: object): Promise<{ steps: string[]; failed: Extract<TestStep, { ok: false }> | undefined }> {
  const steps = await testSource(gerrit, options);
  const failed = steps.find((step) => 'ok' in step && !step.ok) as Extract<TestStep, { ok: false }> | undefined;
  return { steps: steps.map((step) => ('event' in step ? step.event.topic : step.what)), failed };
}

test('a test of the source tells each step and shows three events', async () => {
  await using sshd = await startSshd(PRINTS);
  const { steps, failed } = await tryOut(optionsOf(sshd));
  assert.equal(failed, undefined);
  assert.deepEqual(steps.slice(-3), Array(3).fill('gerrit/nova/comment-added'));
  assert.match(steps.slice(0, -3).join('\n'), /^127\.0\.0\.1:\d+ is there\n.*known.*SHA256:.*\ngerrit stream-events runs$/);
});

test('an unknown server is not connected to, and the line that adds its key works as it is told', async () => {
  await using sshd = await startSshd(PRINTS);
  const knownHosts = join(sshd.folder, 'own_known_hosts');
  const { failed } = await tryOut(optionsOf(sshd, { knownHosts }));
  const shown = (await run('ssh-keygen', ['-l', '-f', join(sshd.folder, 'host-ed25519.pub')])).stdout.split(' ')[1]!;
  assert.ok(failed?.why.includes(`ssh-ed25519 key ${shown}, which is not in ${knownHosts}`), failed?.why);
  assert.deepEqual(await sshd.logins(0), []);
  const line = /ssh-keyscan .*/.exec(failed!.fix)![0];
  assert.equal((await run('sh', ['-c', line])).code, 0);
  assert.equal((await tryOut(optionsOf(sshd, { knownHosts }))).failed, undefined);
  assert.equal((await run('ssh-keygen', ['-H', '-f', knownHosts])).code, 0);
  assert.equal((await tryOut(optionsOf(sshd, { knownHosts }))).failed, undefined, 'hashed');
});

test('a changed key is refused, and the line that takes the new one works as it is told', async () => {
  await using sshd = await startSshd(PRINTS);
  const known = await readFile(sshd.knownHosts, 'utf8');
  const other = (await readFile(`${sshd.key}.pub`, 'utf8')).split(' ')[1]!;
  await writeFile(sshd.knownHosts, `# ours\n${known.replace(/AAAA\S+/, other)}`);
  const { failed } = await tryOut(optionsOf(sshd));
  assert.match(failed!.why, /line 2 of .* has another: somebody may be in between/);
  const line = /ssh-keygen -f .*/.exec(failed!.fix)![0];
  assert.equal((await run('sh', ['-c', line])).code, 0);
  assert.equal((await tryOut(optionsOf(sshd))).failed, undefined);
});

test('a revoked key is refused', async () => {
  await using sshd = await startSshd(PRINTS);
  await appendFile(sshd.knownHosts, `@revoked * ${(await readFile(join(sshd.folder, 'host-ed25519.pub'), 'utf8')).trim()}\n`);
  assert.match((await tryOut(optionsOf(sshd))).failed!.why, /which line 2 of .* revokes/);
});

test('of several keys the server is asked for one that is known', async () => {
  await using sshd = await startSshd({ ...PRINTS, hostKeys: ['ed25519', 'rsa', 'ecdsa'] });
  for (const type of ['rsa', 'ecdsa', 'ed25519']) {
    await writeFile(sshd.knownHosts, `[127.0.0.1]:${sshd.port} ${await readFile(join(sshd.folder, `host-${type}.pub`), 'utf8')}`);
    assert.equal((await tryOut(optionsOf(sshd))).failed, undefined, type);
  }
});

test('without the check any server is connected to', async () => {
  await using sshd = await startSshd(PRINTS);
  assert.equal((await tryOut(optionsOf(sshd, { knownHosts: '/nowhere/known_hosts', hostKeyCheck: 'off' }))).failed, undefined);
});

test('a key with a passphrase logs in, and without it the passphrase is asked for', async () => {
  await using sshd = await startSshd(PRINTS);
  const key = join(sshd.folder, 'locked');
  await makeKey(key, 'ed25519', 'open sesame');
  await appendFile(join(sshd.folder, 'authorized'), await readFile(`${key}.pub`, 'utf8'));
  const command = await readFile(join(sshd.folder, 'authorized'), 'utf8');
  await writeFile(
    join(sshd.folder, 'authorized'),
    command.replace(/^ssh-ed25519/m, `command="${join(sshd.folder, 'forced')}" ssh-ed25519`),
  );
  assert.equal((await tryOut(optionsOf(sshd, { key, keyPassphrase: 'open sesame' }))).failed, undefined);
  for (const keyPassphrase of [undefined, 'wrong']) {
    const { failed } = await tryOut(optionsOf(sshd, { key, keyPassphrase }));
    assert.match(failed!.fix, /keyPassphrase/);
  }
});

test('a key that is missing, one that is none, and none at all are refused by name', async () => {
  await using sshd = await startSshd();
  const refusal = async (more: object): Promise<string> => {
    const { failed } = await tryOut(optionsOf(sshd, more));
    return `${failed!.why} ${failed!.fix}`;
  };
  assert.match(await refusal({ key: '/nowhere/key' }), /the key \/nowhere\/key cannot be read/);
  assert.match(await refusal({ key: sshd.knownHosts }), /known_hosts cannot be used: .* ssh-keygen -t ed25519/);
  assert.match(await refusal({ key: `${sshd.key}.pub` }), /key\.pub is a public one .*without \.pub/);
  assert.match(await refusal({ key: undefined, agent: false }), /no key to log in with/);
  await assert.rejects(startSource(gerrit, optionsOf(sshd, { key: '/nowhere/key' })), { code: 'HYD_CONFIG' });
});

test('the keys of an agent log in', async () => {
  await using sshd = await startSshd(PRINTS);
  const agent = join(sshd.folder, 'agent');
  await using child = new Child('ssh-agent', ['-D', '-a', agent]);
  const add = (): Promise<boolean> => run('ssh-add', [sshd.key], { env: { SSH_AUTH_SOCK: agent } }).then(({ code }) => code === 0);
  await until(add, () => `ssh-add to reach the agent\n${child.text()}`);
  assert.equal((await tryOut(optionsOf(sshd, { key: undefined, agent }))).failed, undefined);
  const { SSH_AUTH_SOCK: before } = process.env;
  process.env.SSH_AUTH_SOCK = agent;
  try {
    for (const named of [true, undefined])
      assert.equal((await tryOut(optionsOf(sshd, { key: undefined, agent: named }))).failed, undefined);
  } finally {
    if (before === undefined) delete process.env.SSH_AUTH_SOCK;
    else process.env.SSH_AUTH_SOCK = before;
  }
});

test('a wrong user, a wrong key, a closed port and a program that is not SSH are told apart', async () => {
  await using sshd = await startSshd(PRINTS);
  const key = join(sshd.folder, 'other');
  await makeKey(key, 'ed25519');
  for (const wrong of [{ user: 'nobody-of-that-name' }, { key }]) {
    const { failed, steps } = await tryOut(optionsOf(sshd, wrong));
    assert.match(failed!.why, /does not accept/);
    assert.match(failed!.fix, /ssh-keygen -y -f .* Settings, SSH Keys/);
    assert.equal(steps.length, 2);
  }
  const { failed } = await tryOut(optionsOf(sshd, { port: await freePort() }));
  assert.match(`${failed!.why} ${failed!.fix}`, /cannot be reached: ECONNREFUSED.*29418/);
});

test('an account without the right to the stream is told which right that is', async () => {
  await using sshd = await startSshd({ command: 'echo "fatal: stream-events not permitted" >&2; exit 1' });
  const { failed } = await tryOut(optionsOf(sshd));
  assert.match(failed!.why, /exit status 1, fatal: stream-events not permitted/);
  assert.match(failed!.fix, /Stream Events/);
});

test('types become -s of the command, and none can be a command of its own', async () => {
  await using sshd = await startSshd();
  await using source = await startSource(gerrit, optionsOf(sshd, { type: ['comment-added', 'ref-updated'] }));
  assert.deepEqual(await sshd.logins(1), ['gerrit stream-events -s comment-added -s ref-updated']);
  await source.stop();
  for (const type of ['a b', 'a;b', '$(id)', '']) assert.ok(!gerrit.options.safeParse(optionsOf(sshd, { type: [type] })).success, type);
});

test('a source whose server is not known goes on by itself once its key is added', async () => {
  await using sshd = await startSshd(PRINTS);
  const knownHosts = join(sshd.folder, 'own_known_hosts');
  await using source = await startSource(gerrit, optionsOf(sshd, { knownHosts }));
  await until(() => source.source.status().lastError?.includes('is not in') ?? false, 'the refusal');
  await writeFile(knownHosts, await readFile(sshd.knownHosts));
  await source.seen(1);
});
