import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTempFolder } from '../testing/temp-folder.ts';
import { loadConfig } from './config.ts';
import { hideSourceSecrets, readSourceSpecs } from './source-specs.ts';

async function read(yaml: string, sets: string[] = []) {
  await using folder = await createTempFolder();
  await writeFile(join(folder.path, 'secret'), 'hush\n');
  await writeFile(join(folder.path, 'empty'), '\n');
  const file = join(folder.path, 'h.yaml');
  await writeFile(file, yaml);
  const specs = await readSourceSpecs(loadConfig({ env: {}, file, sets })).catch((error: Error) => {
    error.message = error.message.replaceAll(folder.path, '');
    throw error;
  });
  return specs.map(({ name, kind, options, strict }) => ({
    name,
    kind: kind.name,
    options: options as Record<string, unknown>,
    strict,
    folder: folder.path,
  }));
}

test('a section is of the kind of its name, or of the one it says; secrets and paths come from where they were written', async () => {
  const [bugs, lines] = await read(
    `sources:
  bugs: { kind: launchpad, strict: true, host: imap.example.org, user: bugs, passwordFile: secret, ca: ca.pem }
  exec: { topic: t, command: [echo, hi] }
`,
  );
  assert.deepEqual([bugs!.name, bugs!.kind, bugs!.strict, bugs!.options.password], ['bugs', 'launchpad', true, 'hush']);
  assert.equal(bugs!.options.ca, join(bugs!.folder, 'ca.pem'));
  assert.deepEqual([lines!.kind, lines!.strict, lines!.options.command, lines!.options.restart], ['exec', false, ['echo', 'hi'], 'always']);
});

test('no sources is the default, and one key of one can be set by itself', async () => {
  assert.deepEqual(await read('log: { level: warn }\n'), []);
  const [one] = await read('sources: { exec: { topic: a, command: [x] } }\n', ['sources.exec.topic=b']);
  assert.equal(one!.options.topic, 'b');
  const gerrit = ['host=h', 'user=u', 'eventsLog.url=https://h', 'eventsLog.delay=5s'].map((set) => `sources.gerrit.${set}`);
  const [log] = await read('', gerrit);
  assert.deepEqual([log!.options.host, (log!.options.eventsLog as { delay: number }).delay], ['h', 5000]);
  await assert.rejects(read('', ['acl.ann.publish.x=a']), { message: /there is no key acl\.ann\.publish\.x/ });
});

test('what is set beside the file leaves the rest where it stands: its lines, and the folder of its paths', async () => {
  const yaml = 'sources:\n  launchpad: { host: h, user: u, passwordFile: secret, ca: ca.pem }\n';
  const sets = ['sources.launchpad.mailbox=Bugs', 'sources.launchpad.poll=5m'];
  const [bugs] = await read(yaml, sets);
  assert.deepEqual([bugs!.options.password, bugs!.options.mailbox, bugs!.options.poll], ['hush', 'Bugs', 300_000]);
  assert.equal(bugs!.options.ca, join(bugs!.folder, 'ca.pem'));
  const faults = await read(yaml.replace('user: u', 'usr: u'), [...sets, 'sources.launchpad.port=0', 'sources.exec.topic=a']).catch(
    ({ message }: Error) => message,
  );
  assert.deepEqual(String(faults).split('\n').sort(), [
    '/h.yaml:2:14: sources.launchpad.user is needed',
    '/h.yaml:2:30: sources.launchpad.usr: there is no such option; did you mean user?',
    'flag --set sources.exec.topic: sources.exec.command is needed',
    'flag --set sources.launchpad.port: sources.launchpad.port: expected a whole number from 1 to 65535',
  ]);
});

test('every mistake is told with its place', async () => {
  const yaml = `sources:
  exec:
    topik: a
    command: []
  lanchpad: { host: x }
  bugs: { kind: launchpad, host: h, user: u, password: p, passwordFile: secret }
  more: { kind: launchpad, host: h, user: u, passwordFile: nowhere }
  lines:
    kind: exec
    command: [ls]
  hooks: { kind: webhook, hooks: [{ path: /a, preset: github, secret: x }, { path: /b, secret: x }] }
`;
  await assert.rejects(read(yaml), (error: Error & { code: string }) => {
    assert.equal(error.code, 'HYD_CONFIG');
    const lines = error.message.split('\n');
    assert.ok(
      lines.some((line) => /^\/h.yaml:3:\d+: sources.exec.topik: there is no such option; did you mean topic\?/.test(line)),
      error.message,
    );
    assert.ok(
      lines.some((line) => /^\/h.yaml:4:\d+: sources.exec.command: /.test(line)),
      error.message,
    );
    assert.ok(
      lines.some((line) => /:5:\d+: sources.lanchpad: there is no source "lanchpad"; did you mean launchpad\?/.test(line)),
      error.message,
    );
    assert.ok(
      lines.some((line) => /:6:\d+: sources.bugs.passwordFile: password is given too/.test(line)),
      error.message,
    );
    assert.ok(
      lines.some((line) => /:7:\d+: sources.more.passwordFile: cannot be read: ENOENT/.test(line)),
      error.message,
    );
    assert.ok(
      lines.some((line) => /:9:5: sources.lines.topic is needed$/.test(line)),
      error.message,
    );
    assert.ok(
      lines.some((line) => /:11:76: sources.hooks.hooks.1.preset is needed: one of github, gitlab, /.test(line)),
      error.message,
    );
    return true;
  });
});

test('what a value should be is said in words, without showing it', async () => {
  const yaml = `sources:
  hook: { kind: webhook, preset: githup, secret: 12345, maxConnections: 0, unsigned: "no" }
  hooks: { kind: webhook, hooks: { path: /a } }
  review: { base: a }
  logs: { gearman: ci.example.org, output: stdout }
  mail: { kind: launchpad, host: h, user: u, passwordFile: empty }
`;
  const message = await read(yaml).catch((error: Error) => error.message);
  assert.deepEqual(
    String(message)
      .split('\n')
      .map((line) => line.replace(/^\/h.yaml:(\d+):\d+: sources\./, '$1 ')),
    [
      '2 hook.maxConnections: expected a whole number from 1 to 65535',
      '2 hook.preset: expected one of github, gitlab, gerrit, launchpad, standard-webhooks, alertmanager, generic',
      '2 hook.secret: expected text that is not empty; in quotes it is one',
      '2 hook.unsigned: expected true or false',
      '3 hooks.hooks: expected a list of sections, a dash before each',
      '4 review: there is no source "review"; one with a name of your own says its kind: gerrit, launchpad, subunit, logs, webhook, stdin, exec',
      '5 logs.gearman: expected a list such as [a, b]',
      '6 mail.passwordFile: /empty is empty',
    ],
  );
});

test('what is no section of a source at all is said with its place', async () => {
  const yaml = 'sources:\n  stdin:\n  exec: 5\n  gerrit: { kind: 7, strict: maybe }\n';
  const options = 'expected the options of its kind, as docs/reference/sources.md has them';
  const message = await read(yaml).catch((error: Error) => error.message);
  assert.deepEqual(
    String(message)
      .replaceAll(/^.*\/h\.yaml:/gm, '')
      .split('\n'),
    [
      `2:9: sources.stdin is null: ${options}`,
      `3:9: sources.exec is 5: ${options}`,
      '4:19: sources.gerrit.kind is 7: expected a kind such as gerrit',
      '4:30: sources.gerrit.strict is "maybe": expected true or false',
    ],
  );
});

test('no secret of a source is shown, at whatever depth, nor what might be one', async () => {
  const hidden = await hideSourceSecrets({
    launchpad: { host: 'h', password: 'hush', passwrod: 'hush', passwordFile: '/run/secret' },
    reviews: { kind: 'gerrit', eventsLog: { url: 'https://g/', password: 'hush' } },
    webhook: { hooks: [{ path: '/a', secret: 'hush' }] },
    unheard: { key: { of: 'hush' }, list: ['hush'] },
    exec: { command: ['echo', 'a'] },
  });
  const text = JSON.stringify(hidden);
  assert.doesNotMatch(text, /hush/);
  assert.deepEqual(JSON.parse(text), {
    launchpad: { host: 'h', password: '***', passwrod: '***', passwordFile: '/run/secret' },
    reviews: { kind: 'gerrit', eventsLog: { url: 'https://g/', password: '***' } },
    webhook: { hooks: [{ path: '/a', secret: '***' }] },
    unheard: { key: '***', list: '***' },
    exec: { command: ['echo', 'a'] },
  });
});

test('a mistake in a section shows none of its values, and a name that would leave its folder is none', async () => {
  const fault = (yaml: string) => read(yaml).catch((error: Error) => error.message);
  const text = String(await fault("sources:\n  'ger rit': { password: hush }\n  '..': { kind: exec, topic: a, command: [ls] }\n"));
  assert.doesNotMatch(text, /hush/);
  assert.match(text, /h.yaml:2:14: sources.ger rit: expected names of letters/);
  assert.match(text, /h.yaml:3:9: sources\.\.\.: expected names/);
});
