import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child, run } from '../../src/testing/child.ts';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { shareDoors } from './doors.ts';

const { server, doors } = await shareDoors();
const at = (name: string): string[] => {
  const { port, caFile } = doors.find((door) => door.name === name)!;
  return ['-h', '127.0.0.1', '-p', port, ...(caFile ? ['--cafile', caFile] : [])];
};
const AT = at('tcp');

async function pubAt(where: string[], ...args: string[]): Promise<void> {
  const { code, stderr } = await run('mosquitto_pub', [...where, ...args]);
  assert.deepEqual([code, stderr], [0, '']);
}

const pub = (...args: string[]): Promise<void> => pubAt(AT, ...args);

const sub = (...args: string[]): Promise<Child> => subAt(AT, ...args);

/** A mosquitto_sub whose subscription stands. */
async function subAt(where: string[], ...args: string[]): Promise<Child> {
  const child = new Child('stdbuf', ['-oL', 'mosquitto_sub', ...where, '-d', ...args]);
  await child.line((line) => (line.startsWith('Subscribed (mid:') ? true : undefined), 10_000, 'its SUBACK');
  return child;
}

/** What it printed of events, without its debug lines. */
function printed(child: Child): string[] {
  return child.stdout.split('\n').filter((line) => line !== '' && !/^(Client |Subscribed )/.test(line));
}

for (const door of ['tcp', 'tls']) {
  for (const version of ['31', '311', '5']) {
    for (const qos of ['0', '1', '2']) {
      test(`mosquitto_pub to mosquitto_sub, -V ${version}, QoS ${qos}, over ${door}`, async () => {
        const topic = `clients/${door}/${version}/${qos}`;
        await using child = await subAt(at(door), '-V', version, '-q', qos, '-v', '-C', '2', '-t', '#');
        await pubAt(at(door), '-V', version, '-q', qos, '-t', topic, '-m', 'one');
        await pubAt(at(door), '-V', version, '-q', qos, '-t', topic, '-m', 'zwei ü');
        assert.deepEqual(await child.exited, { code: 0, signal: null });
        assert.deepEqual(printed(child), [`${topic} one`, `${topic} zwei ü`]);
      });
    }

    test(`mosquitto_sub -c -i comes back to what it missed, -V ${version}, over ${door}`, async () => {
      const topic = `lasting/${door}/${version}`;
      const session = ['-V', version, '-c', '-i', topic, '-q', '2', '-t', topic];
      const first = await run('mosquitto_sub', [...at(door), '-E', ...session]);
      assert.equal(first.code, 0, first.stderr);
      for (const qos of ['1', '2']) await pubAt(at(door), '-q', qos, '-t', topic, '-m', qos);
      const back = await run('mosquitto_sub', [...at(door), '-C', '2', '-W', '20', '-F', '%q %p', ...session]);
      assert.equal(back.stdout, '1 1\n2 2\n');
    });
  }

  test(`a mosquitto_sub that is killed leaves its will, over ${door}`, async () => {
    await using watcher = await sub('-v', '-C', '1', '-q', '1', '-t', `wills/${door}`);
    const will = ['--will-topic', `wills/${door}`, '--will-payload', 'gone', '--will-qos', '1'];
    await using doomed = await subAt(at(door), '-t', 'unused', ...will);
    await doomed.kill();
    await watcher.exited;
    assert.deepEqual(printed(watcher), [`wills/${door} gone`]);
  });

  test(`a file of 1 MiB passes byte for byte, over ${door}`, async () => {
    await using folder = await createTempFolder();
    const file = join(folder.path, 'payload');
    const bytes = randomBytes(2 ** 20);
    await writeFile(file, bytes);
    await using child = await subAt(at(door), '-q', '1', '-C', '1', '-F', '%x', '-t', 'file/a');
    await pubAt(at(door), '-q', '1', '-t', 'file/a', '-f', file);
    await child.exited;
    assert.ok(printed(child).join('') === bytes.toString('hex'), 'the bytes differ');
  });
}

test('what mosquitto_pub -q 1 sends comes back in hydrant find', async () => {
  await pub('-q', '1', '-t', 'a/b', '-m', 'hi');
  const [event, ...more] = await findEvents(server.data, 'a/b');
  assert.deepEqual([event?.topic, event?.payload.toString(), event?.qos, more.length], ['a/b', 'hi', 1, 0]);
});

test('mosquitto_sub gets a retained event, and none after mosquitto_pub -n -r', async () => {
  await pub('-q', '1', '-r', '-t', 'kept/a', '-m', 'stays');
  const args = [...AT, '-v', '-C', '1', '-W', '10', '--retained-only', '-t', 'kept/#'];
  assert.equal((await run('mosquitto_sub', args)).stdout, 'kept/a stays\n');
  await pub('-q', '1', '-r', '-n', '-t', 'kept/a');
  await using child = await sub('-v', '-C', '1', '-t', 'kept/#');
  await pub('-q', '1', '-t', 'kept/end', '-m', 'end');
  await child.exited;
  assert.deepEqual(printed(child), ['kept/end end']);
});

for (const qos of ['1', '2']) {
  test(`2 000 lines through mosquitto_pub -l arrive in order at QoS ${qos}`, { timeout: 60_000 }, async () => {
    const lines = Array.from({ length: 2_000 }, (_, i) => `line ${i}`);
    await using child = await sub('-q', qos, '-C', String(lines.length), '-t', `lines/${qos}`);
    const { code } = await run('mosquitto_pub', [...AT, '-q', qos, '-l', '-t', `lines/${qos}`], { input: `${lines.join('\n')}\n` });
    assert.equal(code, 0);
    await child.exited;
    assert.deepEqual(printed(child), lines);
  });
}

test('MQTT 5 properties reach mosquitto_sub', async () => {
  const format = 'content=%C response=%R user=%P payload=%p';
  await using child = await sub('-V', '5', '-q', '1', '-C', '1', '-F', format, '-t', 'five/a');
  const properties = ['content-type', 'text/plain', 'response-topic', 'five/answer', 'user-property', 'colour', 'blue'];
  const flags = [
    '-D',
    'publish',
    ...properties.slice(0, 2),
    '-D',
    'publish',
    ...properties.slice(2, 4),
    '-D',
    'publish',
    ...properties.slice(4),
  ];
  await pub('-V', '5', '-q', '1', '-t', 'five/a', '-m', 'hi', ...flags);
  await child.exited;
  assert.deepEqual(printed(child), ['content=text/plain response=five/answer user=colour:blue payload=hi']);
});

test('mosquitto_rr gets its answer', async () => {
  await using responder = await sub('-V', '5', '-C', '1', '-F', '%R', '-t', 'rr/ask');
  const asking = run('mosquitto_rr', [...AT, '-V', '5', '-q', '1', '-t', 'rr/ask', '-e', 'rr/answer', '-m', 'who?', '-W', '20']);
  await responder.exited;
  await pub('-q', '1', '-t', printed(responder)[0] as string, '-m', 'me');
  const { code, stdout } = await asking;
  assert.deepEqual([code, stdout], [0, 'me\n']);
});
