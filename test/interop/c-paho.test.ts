import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child, run } from '../../src/testing/child.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { type Door, shareDoors } from './doors.ts';

const { server, doors } = await shareDoors();
let clients = 0;

/** Arguments of both programs; their default client id is the same for all. */
function at({ url, caFile }: Door, version: string): string[] {
  const connection = url.replace('mqtts:', 'ssl:').replace('mqtt:', 'tcp:');
  return ['-c', connection, '-V', version, '-i', `c-paho-${++clients}`, ...(caFile ? ['--cafile', caFile] : [])];
}

async function pub(door: Door, version: string, ...args: string[]): Promise<void> {
  const { code, stdout } = await run('paho_c_pub', [...at(door, version), ...args]);
  assert.equal(code, 0, stdout);
}

/** A paho_c_sub; it prints `length topic<tab>payload` for each event when the filter has a wildcard, else the payload. */
function sub(door: Door, version: string, ...args: string[]): Child {
  return new Child('stdbuf', ['-oL', 'paho_c_sub', ...at(door, version), ...args]);
}

const line = (child: Child, text: string): Promise<true> => child.line((said) => said === text || undefined, 10_000, `"${text}"`);

for (const door of doors) {
  for (const version of ['31', '311', '5']) {
    test(`paho_c_sub gets what was retained, and what paho_c_pub sends at each QoS: -V ${version} over ${door.name}`, async () => {
      const topic = `c/${door.name}/${version}`;
      await pub(door, version, '-t', `${topic}/kept`, '-q', '1', '-r', '-m', 'kept');
      await using child = sub(door, version, '-t', `${topic}/#`, '-q', '2');
      await line(child, `4 ${topic}/kept\tkept`);
      for (const qos of ['0', '1', '2']) {
        await pub(door, version, '-t', `${topic}/live`, '-q', qos, '-m', `live ${qos}`);
        await line(child, `6 ${topic}/live\tlive ${qos}`);
      }
      assert.equal(child.stdout.split('\n').filter((said) => said.includes(topic) && said.includes('\t')).length, 4);
    });
  }

  test(`a paho_c_sub that is killed leaves its will, over ${door.name}`, async () => {
    const topic = `c-will/${door.name}`;
    using watcher = await RawClient.connect(server.mqttUrl, { auto: true });
    await watcher.subscribe(topic, 1);
    await pub(door, '311', '-t', `${topic}/kept`, '-r', '-m', 'kept');
    const will = ['--will-topic', topic, '--will-payload', 'gone', '--will-qos', '1'];
    await using doomed = sub(door, '311', '-t', `${topic}/kept`, ...will);
    await line(doomed, 'kept');
    await doomed.kill();
    await watcher.expectMessage(topic, 'gone', { qos: 1 });
  });

  test(`a file of 1 MiB passes byte for byte from paho_c_pub to paho_c_sub, over ${door.name}`, async () => {
    await using folder = await createTempFolder();
    const file = join(folder.path, 'payload');
    const text = randomBytes(2 ** 19).toString('hex');
    await writeFile(file, text);
    const topic = `c-file/${door.name}`;
    await using child = sub(door, '5', '-t', topic, '-q', '1');
    await pub(door, '5', '-t', topic, '-q', '1', '-r', '-f', file);
    await line(child, text);
  });
}
