import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child, run } from '../../src/testing/child.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { openPage } from './chromium.ts';
import type { Door } from './doors.ts';
import { shareFirehose } from './firehose.ts';
import { buildGoProgram } from './go-program.ts';
import { PageServer } from './page-server.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/clients/', import.meta.url));
const HOST = '127.0.0.1';
const KEPT_TOPIC = 'gerrit/openstack-infra/germqtt/comment-added';

const pages = await PageServer.listen();
after(() => pages[Symbol.asyncDispose]());
const { server, doors, gerrit, authorityPath } = await shareFirehose(pages.origin);
await gerrit.deliver(KEPT_TOPIC, 'kept', { qos: 1, retain: true });
const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const goProgram = await buildGoProgram(join(EXAMPLES, 'subscribe.go'), folder.path);

interface Example {
  file: string;
  doors: Door['name'][];
  command: (door: Door) => string[];
  /** What it prints for an event. */
  lines: (topic: string, payload: string) => string[];
}

const python = (file: string, ...at: Door['name'][]): Example => ({
  file,
  doors: at,
  command: ({ port, caFile }) => ['/usr/bin/python3', join(EXAMPLES, file), HOST, port, ...(caFile ? [caFile] : [])],
  lines: (topic, payload) => [`${topic} b'${payload}'`],
});

const PROGRAMS: Example[] = [
  python('subscribe.py', 'tcp'),
  python('websockets.py', 'ws', 'wss'),
  python('tls.py', 'tls'),
  {
    file: 'subscribe.go',
    doors: ['tcp', 'tls', 'ws', 'wss'],
    command: ({ url, caFile }) => [goProgram, url.replace('mqtts:', 'ssl:').replace('mqtt:', 'tcp:'), ...(caFile ? [caFile] : [])],
    lines: (topic, payload) => [`TOPIC: ${topic}`, `MSG: ${payload}`],
  },
  {
    file: 'mosquitto_sub.sh',
    doors: ['tcp', 'tls'],
    command: ({ port, caFile }) => ['stdbuf', '-oL', 'sh', join(EXAMPLES, 'mosquitto_sub.sh'), HOST, port, ...(caFile ? [caFile] : [])],
    lines: (topic, payload) => [`${topic} ${payload}`],
  },
];

for (const example of PROGRAMS) {
  for (const door of doors.filter(({ name }) => example.doors.includes(name))) {
    test(`examples/clients/${example.file} prints the firehose, without an account, over ${door.name}`, async () => {
      const [command, ...args] = example.command(door) as [string, ...string[]];
      await using child = new Child(command, args);
      const printed = async (topic: string, payload: string): Promise<void> => {
        for (const wanted of example.lines(topic, payload)) {
          await child.line((line) => line === wanted || undefined, 20_000, `"${wanted}"`);
        }
      };
      await printed(KEPT_TOPIC, 'kept');
      const topic = `gerrit/live/${example.file}/${door.name}`;
      gerrit.publish(topic, 'now');
      await printed(topic, 'now');
      assert.equal(child.exit, undefined);
    });
  }
}

for (const door of doors.filter(({ name }) => name.startsWith('ws'))) {
  test(`examples/clients/browser.html shows the firehose in Chromium over ${door.name}`, async () => {
    const page = `${pages.origin}/browser.html?broker=${encodeURIComponent(door.url)}`;
    await using _page = await openPage(page, join(authorityPath, 'server.pem'));
    await pages.reported(`connected to ${door.url}`);
    await pages.reported(`${KEPT_TOPIC} kept`);
    for (const payload of [`now ü ${door.name}`, `${'x'.repeat(300_000)} ${door.name}`]) {
      gerrit.publish('gerrit/live/page', payload);
      await pages.reported(`gerrit/live/page ${payload}`);
    }
  });
}

test('every example is run here, or replayed for want of its library in Debian', async () => {
  const tested = [...PROGRAMS.map(({ file }) => file), 'browser.html', 'subscribe.rb', 'Subscribe.hs'];
  assert.deepEqual((await readdir(EXAMPLES)).sort(), tested.sort());
});

test('at a firehose a publish without an account is refused, and so is one outside the account’s own topics', async () => {
  using reader = await RawClient.connect(server.mqttUrl, { auto: true });
  await reader.subscribe('#');
  await reader.expectMessage(KEPT_TOPIC, 'kept');
  const at = ['-h', HOST, '-p', String(server.mqttPort), '-V', '5', '-q', '1', '-m', 'forged'];
  const account = ['-u', 'gerrit', '-P', 'secret'];
  for (const args of [
    ['-t', 'gerrit/forged'],
    ['-t', 'ansible/forged', ...account],
  ]) {
    const { stderr } = await run('mosquitto_pub', [...at, ...args]);
    assert.match(stderr, /Not authorized/);
  }
  const { stderr } = await run('mosquitto_pub', [...at, '-t', 'gerrit/genuine', ...account]);
  assert.equal(stderr, '');
  await reader.expectMessage('gerrit/genuine', 'forged');
});

test('mosquitto_sub reads $SYS/# at a firehose', async () => {
  const { code, stdout } = await run('mosquitto_sub', [
    '-h',
    HOST,
    '-p',
    String(server.mqttPort),
    '-t',
    '$SYS/#',
    '-C',
    '1',
    '-W',
    '20',
    '-v',
  ]);
  assert.equal(code, 0);
  assert.match(stdout, /^\$SYS\/\S+ /);
});
