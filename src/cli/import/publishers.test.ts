import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { captureIo } from '../../testing/capture-io.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { runCli } from '../cli.ts';

/** Imports a file of this text, and has what comes out checked as the configuration of a server. */
async function importText(name: string, text: string): Promise<{ sources: Record<string, unknown>; comments: string; folder: string }> {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'etc', 'given');
  await mkdir(dirname(file));
  await writeFile(file, text);
  const io = captureIo();
  assert.equal(await runCli(['import', name, file], io), 0, io.stderr.text);
  const config = join(folder.path, 'hydrant.yaml');
  await writeFile(config, io.stdout.text);
  const checking = captureIo();
  assert.equal(await runCli(['config', 'check', '-c', config, '-d', join(folder.path, 'data')], checking), 0, checking.stderr.text);
  const comments = io.stdout.text.match(/^#.*$/gm)!.join('\n').replaceAll(folder.path, '');
  return { sources: parse(io.stdout.text).sources, comments, folder: folder.path };
}

test('a germqtt.conf becomes a source gerrit on the same topics; what has no counterpart is named with its line', async () => {
  const { sources, comments, folder } = await importText(
    'germqtt',
    `; our review server
[default]
pidfile = /run/germqtt.pid
[gerrit]
Username: hydrant
hostname = review.example.org  ; the new one
port=29419
key = id_rsa
colour = blue
[mqtt]
domain = example.org
hostname = mq.%(domain)s
topic = review
keepalive = 30
username = pub
password = half-%%-secret
`,
  );
  assert.deepEqual(sources, {
    gerrit: { host: 'review.example.org', port: 29419, user: 'hydrant', key: join(folder, 'etc/id_rsa'), base: 'review' },
  });
  assert.match(comments, /# {3}\/etc\/given:3: default\.pidfile: the service manager does that/);
  assert.match(comments, /# {3}\/etc\/given:9: gerrit\.colour: germqtt has no such key/);
  assert.match(
    comments,
    /HYDRANT_USER=pub HYDRANT_PASSWORD_FILE=FILE hydrant source gerrit -c THIS_FILE --url mqtt:\/\/mq\.example\.org:1883$/m,
  );
  assert.match(comments, /the password that is in \/etc\/given:16 into FILE/);
  assert.doesNotMatch(comments, /secret|keepalive/);
});

test('an lpmqtt.conf becomes a source launchpad: its mailbox, TLS or none, and what becomes of a mail', async () => {
  const imap = '[imap]\nhostname = imap.example.org\nusername = bugs\npassword = a: b # c\n';
  const mqtt = '[mqtt]\nhostname = mq.example.org\nport = 1884\nbase_topic = lp\n';
  const plain = await importText('lpmqtt', imap + mqtt);
  assert.deepEqual(plain.sources, {
    launchpad: { host: 'imap.example.org', tls: 'off', user: 'bugs', password: 'a: b # c', after: 'flag', base: 'lp' },
  });
  assert.match(plain.comments, /hydrant source launchpad -c THIS_FILE --url mqtt:\/\/mq\.example\.org:1884$/m);
  const { sources } = await importText('lpmqtt', `${imap}use_ssl = True\nfolder = Lists.lp\ndelete-old = yes\n${mqtt}`);
  assert.deepEqual(sources, {
    launchpad: {
      host: 'imap.example.org',
      tls: 'on',
      user: 'bugs',
      password: 'a: b # c',
      mailbox: 'Lists.lp',
      after: 'expunge',
      base: 'lp',
    },
  });
});

test('the files of the gearman workers become sources subunit and logs; the host at the end of their topic is the level host', async () => {
  const subunit = await importText(
    'subunit-worker',
    'gearman-host: ci.example.org\ngearman-port: 4731\nconfig: /etc/subunit2sql.conf\nmqtt-host: mq.example.org\nmqtt-topic: gearman-subunit\n',
  );
  assert.deepEqual(subunit.sources, { subunit: { gearman: ['ci.example.org:4731'], base: 'gearman-subunit' } });
  assert.match(subunit.comments, /given:3: config: there is no subunit2sql here/);
  const logs = await importText(
    'logstash-worker',
    `# made by puppet
gearman-host: "2001:db8::7"
gearman-port: 4730
output-host: logs.example.org
output-port: 9999
output-mode: udp
crm114-script: /usr/local/bin/classify-log.crm
mqtt-host: mq.example.org
mqtt-port: 8883
mqtt-topic: gearman-logstash/logstash-worker-01
mqtt-user: infra
mqtt-pass: hush-hush
mqtt-ca-certs: /etc/logstash/mqtt-root-CA.pem
mqtt-certfile:
mqtt-keyfile: null
workers: [1, 2]
`,
  );
  assert.deepEqual(logs.sources, {
    logs: { gearman: ['[2001:db8::7]:4730'], output: 'udp://logs.example.org:9999', base: 'gearman-logstash', host: 'logstash-worker-01' },
  });
  assert.match(logs.comments, /--url mqtts:\/\/mq\.example\.org:8883 --bus-cafile \/etc\/logstash\/mqtt-root-CA\.pem$/m);
  assert.match(logs.comments, /given:7: crm114-script: lines are not classified here/);
  assert.match(logs.comments, /given:16: workers: logstash-worker has no such key/);
  assert.doesNotMatch(logs.comments, /hush-hush|certfile|keyfile/);
});

test('a file that lacks what the program needs, has nonsense, or is none, is refused with the reason', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'given');
  for (const [name, text, why] of [
    ['germqtt', '[gerrit]\nhostname = a\nusername = b\n', /has no gerrit\.key/],
    ['germqtt', '[gerrit]\nhostname = a\nusername = b\nkey = c\nport = many\n', /port: .*number/],
    ['lpmqtt', '', /has no imap\.hostname/],
    ['subunit-worker', 'gearman-host: a\nmqtt-host: [', /given:2:\d+: [^\n]+\n {2}fix: Give a file that is YAML/],
    ['subunit-worker', '- 1\n', /given: it has no keys/],
    ['logstash-worker', 'gearman-host: a\noutput-mode: carrier\noutput-host: b\noutput-port: 1\n', /output: .*carrier/],
    ['logstash-worker', 'gearman-host: a\noutput-host: b\n', /has no output-port/],
  ] as const) {
    await writeFile(file, text);
    const io = captureIo();
    assert.equal(await runCli(['import', name, file], io), 2, text);
    assert.match(io.stderr.text, why);
    assert.equal(io.stdout.text, '');
  }
  assert.equal(await runCli(['import', 'germqtt', join(folder.path, 'nowhere')], captureIo()), 2);
});

test('a value that means nothing here is named with its key and line', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'given');
  await writeFile(file, '[gerrit]\nhostname = h\nusername = u\nkey = k\nport = many\n[mqtt]\ntopic = gerrit/#\n');
  const io = captureIo();
  assert.equal(await runCli(['import', 'germqtt', file], io), 2);
  const said = io.stderr.text.replaceAll(folder.path, '');
  assert.match(said, /\/given:5: gerrit\.port: expected a whole number from 1 to 65535/);
  assert.match(said, /\/given:7: mqtt\.topic: "gerrit\/#" is no topic/);
});
