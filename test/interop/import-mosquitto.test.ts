import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Child, run } from '../../src/testing/child.ts';
import { runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort } from '../../src/testing/mosquitto.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const ACL = `
# of clients without a name
topic read open/#
topic readwrite chat

user ann
topic a/#
topic read b/+
topic deny a/no/#
topic write drop/box

user old
topic read #

pattern readwrite own/%u/#
pattern write id/%c/state
`;

const ACCOUNTS = { ann: 'sha512-pbkdf2', bob: 'sha512-pbkdf2', old: 'sha512' };
const TOPICS = [
  'open/x',
  'chat',
  'a/1',
  'a/no/1',
  'b/1',
  'b/1/2',
  'drop/box',
  'own/ann/x',
  'own/bob/x',
  'id/c-ann/state',
  'id/c-bob/state',
  'other',
];

/** What a user can do on a broker: log in, and publish to or read each topic, as somebody who may do everything sees it. */
async function verdicts(url: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  using watcher = await RawClient.connect(url, { username: 'root', password: 'root-pw', auto: true });
  await watcher.subscribe('#');
  for (const name of [undefined, 'ann', 'bob', 'old', 'eve']) {
    const account: RawConnect = name === undefined ? {} : { username: name, password: `${name}-pw` };
    found[`${name} login`] = await login(url, account);
    if (name !== undefined) found[`${name} wrong password`] = await login(url, { ...account, password: 'wrong' });
    if (found[`${name} login`] === 'no') continue;
    using client = await RawClient.connect(url, { ...account, clientId: `c-${name}`, auto: true });
    for (const topic of TOPICS) {
      client.publish(topic, `by ${name}`, { qos: 1 });
      await client.take('puback');
    }
    watcher.publish('end', String(name));
    const written = new Set<string>();
    for (;;) {
      const { topic } = await watcher.take('publish');
      if (topic === 'end') break;
      written.add(topic);
    }
    await client.subscribe(TOPICS);
    for (const topic of TOPICS) watcher.publish(topic, 'to read', { qos: 1 });
    for (const _ of TOPICS) await watcher.take('puback');
    for (const _ of TOPICS) await watcher.take('publish');
    client.send({ cmd: 'pingreq' });
    await client.take('pingresp');
    const read = new Set(client.inbox.filter((packet) => packet.cmd === 'publish').map((packet) => packet.topic));
    for (const topic of TOPICS) found[`${name} ${topic}`] = `${written.has(topic) ? 'w' : '-'}${read.has(topic) ? 'r' : '-'}`;
  }
  return found;
}

async function login(url: string, options: RawConnect): Promise<string> {
  using client = await RawClient.open(url);
  client.sendConnect(options);
  return (await client.expect('connack')).returnCode === 0 ? 'yes' : 'no';
}

test('the same accounts and rules give the same verdicts on Mosquitto and on Hydrant', async () => {
  await using folder = await createTempFolder();
  const at = (name: string) => join(folder.path, name);
  for (const [at, [name, kind]] of [...Object.entries(ACCOUNTS), ['root', 'sha512-pbkdf2'] as const].entries()) {
    const made = await run('mosquitto_passwd', [
      '-H',
      kind,
      ...(at === 0 ? ['-c'] : []),
      '-b',
      join(folder.path, 'passwd'),
      name,
      `${name}-pw`,
    ]);
    assert.equal(made.code, 0, made.stderr);
  }
  await writeFile(at('acl'), `${ACL}\nuser root\ntopic #\n`);
  const port = await freePort();
  const conf = `user root\nlistener ${port} 127.0.0.1\nallow_anonymous true\npassword_file ${at('passwd')}\nacl_file ${at('acl')}\npersistence false\n`;
  await writeFile(at('mosquitto.conf'), conf);
  const data = at('data');
  const imported = await runHydrant(['import', 'mosquitto', at('mosquitto.conf'), '--write', '--data', data]);
  assert.equal(imported.code, 0, imported.stderr);

  await using mosquitto = new Child('mosquitto', ['-c', at('mosquitto.conf')], { env: { PATH: `${process.env.PATH}:/usr/sbin` } });
  await mosquitto.line((line) => (/ running$/.test(line) ? true : undefined), 20_000, 'the line that says it runs');
  const theirs = await verdicts(`mqtt://127.0.0.1:${port}`);
  await mosquitto.kill('SIGTERM');
  await using server = await startHydrant({ data, set: { 'access.attempts.free': 1000 } });
  const ours = await verdicts(server.mqttUrl);
  assert.deepEqual(ours, theirs);
  assert.equal(theirs['ann a/1'], 'wr');
  assert.equal(theirs['ann a/no/1'], '--');
  assert.equal(theirs['bob own/bob/x'], 'wr');
  assert.equal(theirs['undefined open/x'], '-r');
  assert.equal(theirs['eve login'], 'no');
});

async function convert(
  files: Record<string, string>,
): Promise<{ code: number | null; yaml: Record<string, unknown>; text: string; stderr: string }> {
  await using folder = await createTempFolder();
  await mkdir(join(folder.path, 'conf.d'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text);
  const { code, stdout, stderr } = await runHydrant(['import', 'mosquitto', join(folder.path, 'mosquitto.conf')]);
  const text = stdout.replaceAll(folder.path, 'DIR');
  return { code, yaml: parse(text) as Record<string, unknown>, text, stderr };
}

test('listeners, certificates and limits find their places, and every line that has none is named with its reason', async () => {
  const { yaml, text } = await convert({
    'mosquitto.conf': `# a comment
max_inflight_messages 0
max_packet_size 100000
persistent_client_expiration 2w
persistence true
log_type all
listener 1883
listener 8883 0.0.0.0
cafile ca.crt
certfile server.crt
keyfile server.key
require_certificate true
use_identity_as_username true
ciphers HIGH
listener 9001 127.0.0.1
protocol websockets
listener 1884
max_connections 10
connection upstream
address other:1883
topic # in
include_dir conf.d
`,
    'conf.d/10-more.conf': 'plugin /usr/lib/auth.so\nallow_anonymous false\n',
    'conf.d/ignored.txt': 'nonsense\n',
  });
  assert.deepEqual(yaml, {
    listeners: {
      mqtt: { enabled: true, host: '0.0.0.0', port: 1883 },
      mqtts: { enabled: true, host: '0.0.0.0', port: 8883 },
      ws: { enabled: true, host: '127.0.0.1', port: 9001 },
      https: { enabled: false },
      wss: { enabled: false },
    },
    tls: { ca: 'DIR/ca.crt', cert: 'DIR/server.crt', key: 'DIR/server.key', clientCertificates: 'required' },
    limits: { inFlight: 65_535, packetBytes: 100_000 },
    sessions: { maxExpiry: '336h' },
    access: { certificateUser: true },
  });
  for (const note of [
    'DIR/mosquitto.conf:6: log_type all: Hydrant logs to standard output; see log.level and log.format',
    'DIR/mosquitto.conf:14: ciphers HIGH: there is no counterpart',
    'DIR/mosquitto.conf:17: listener 1884: Hydrant has one port for mqtt, and that is 1883 now',
    'DIR/mosquitto.conf:19: connection upstream: bridges are not taken over',
    'DIR/mosquitto.conf:20: address other:1883: it belongs to a bridge',
    'DIR/conf.d/10-more.conf:1: plugin /usr/lib/auth.so: ',
  ]) {
    assert.ok(text.includes(`#   ${note}`), `${note} in\n${text}`);
  }
  assert.doesNotMatch(text, /persistence|ignored\.txt/);
});

test('who may come in without a name is the same as there', async () => {
  const rulesOf = async (conf: string) => (await convert({ 'mosquitto.conf': conf, passwd: '' })).yaml;
  assert.deepEqual(await rulesOf(''), { listeners: { mqtt: { enabled: true, host: '127.0.0.1', port: 1883 } } });
  assert.equal((await rulesOf('listener 1883\nallow_anonymous true\n')).acl, undefined);
  assert.equal(((await rulesOf('listener 1883\nallow_anonymous true\n')).listeners as Record<string, unknown>).allowAnonymousRemote, true);
  const both = await rulesOf('listener 1883\nallow_anonymous true\npassword_file passwd\n');
  const everything = { publish: ['#'], subscribe: ['#', '$SYS/#'] };
  assert.deepEqual(both.acl, { anonymous: everything, '*': everything });
  assert.match((await convert({ 'mosquitto.conf': 'listener 1883\n' })).text, /# Accounts: none; --write/);
});

test('accounts and rules that cannot be taken over are named, without their passwords', async () => {
  const { text, yaml } = await convert({
    'mosquitto.conf':
      'per_listener_settings true\nlistener 1883\npassword_file passwd\nacl_file acl\nlistener 8883\nprotocol websockets\npassword_file other\n',
    passwd: 'plain:secret\na/b:$7$101$c2FsdA==$AAAA\n',
    acl: 'user ann\ntopic read dev-%u/x\ntopic %u/x\npattern write dev-%u/x\ntopic read a b/c\nfoo bar\n',
  });
  for (const note of [
    /passwd:1: account plain: its password is not hashed/,
    /acl:3: topic %u\/x: %u and %c always stand for somebody here/,
    /acl:4: pattern write dev-%u\/x: %u and %c stand for one whole level/,
    /acl:6: foo bar: there is no such line/,
    /mosquitto\.conf:7: password_file other: .*passwd counts/,
  ]) {
    assert.match(text, note);
  }
  assert.doesNotMatch(text, /secret/);
  assert.deepEqual((yaml.acl as Record<string, { subscribe: string[] }>).ann!.subscribe, ['a b/c']);
});

test('a folder that has a configuration or accounts is not overwritten, and a file that is not there is named', async () => {
  await using folder = await createTempFolder();
  const conf = join(folder.path, 'mosquitto.conf');
  await writeFile(conf, '');
  await writeFile(join(folder.path, 'hydrant.yaml'), '# mine\n');
  const { code, stderr } = await runHydrant(['import', 'mosquitto', conf, '--write', '--data', folder.path]);
  assert.equal(code, 2);
  assert.match(stderr, /hydrant\.yaml is there already/);
  assert.equal(await readFile(join(folder.path, 'hydrant.yaml'), 'utf8'), '# mine\n');
  const missing = await runHydrant(['import', 'mosquitto', join(folder.path, 'none')]);
  assert.deepEqual([missing.code, /none: ENOENT/.test(missing.stderr)], [2, true]);
});
