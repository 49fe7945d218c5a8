import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Output, run as runProgram } from '../../src/testing/child.ts';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// Each block of docs/guide/device-client.md, run as a program of its own.

const FROM_SOURCE = new URL('../../src/testing/from-source.ts', import.meta.url).href;
const SERVER = 'mqtt://127.0.0.1:1883';
const OPENED = `import { generic, openClient } from 'hydrant/client';
const client = await openClient({ url: '${SERVER}', profile: generic({ device: 'd1' }), outbox: './outbox' });
`;
const CLOSED = '\nawait client.close();\nprocess.stdout.write("done\\n");\n';
const server = await shareServer();

/** What each block has published when it has ended, topic and payload, and what it prints, by its number. */
const EXPECTED: Record<number, { events?: [topic: string, payload: string][]; prints?: RegExp }> = {
  1: { events: [['/devices/d1/data', '{"index":1,"val":11}']] },
  2: { events: ['20.5', '20.7', '21.1'].map((celsius) => ['/devices/d2/data/temperature', `{"celsius":${celsius}}`]) },
  3: { events: [['site/door', 'open']] },
  4: { events: [['/devices/d4/state', '[{"pump":{"on":true,"rpm":950}}]']] },
  7: { prints: /^done$/m },
  8: { prints: /^all is on the bus$/m },
  9: { prints: /depth: 0/ },
};

const guide = await readFile(new URL('../../docs/guide/device-client.md', import.meta.url), 'utf8');
const blocks = [...guide.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code], at) => ({ number: at + 1, code: code! }));

/** Runs a block to its end, as a device of its own. */
async function run({ number, code }: (typeof blocks)[number]): Promise<{ output: Output; clientId: string }> {
  await using folder = await createTempFolder();
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(folder.path, 'device.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const clientId = `block-${number}`;
  const program = (code.includes('openClient') ? code : OPENED + code + CLOSED)
    .replaceAll(SERVER, server.mqttUrl)
    .replace("device: 'd1' }),", `device: 'd${number}' }), clientId: '${clientId}',`);
  await writeFile(join(folder.path, 'program.mjs'), program);
  return { output: await runProgram(process.execPath, ['--import', FROM_SOURCE, 'program.mjs'], { cwd: folder.path }), clientId };
}

const runs = await Promise.all(blocks.map(run));
const events = await findEvents(server.data);

test('the guide has as many blocks of code as are looked at here', () => {
  assert.equal(blocks.length, 9);
});

for (const [at, { number, code }] of blocks.entries()) {
  const line = code.split('\n').find((text) => /^\S/.test(text) && !text.startsWith('import'));
  test(`block ${number} of the guide runs as it stands and does what is said: ${line}`, () => {
    const { output, clientId } = runs[at]!;
    const { stdout, ...end } = output;
    assert.deepEqual(end, { code: 0, signal: null, stderr: '' });
    assert.match(stdout, EXPECTED[number]?.prints ?? /^/);
    const published = events.filter(({ source }) => source === clientId);
    assert.deepEqual(
      published.map(({ topic, payload }) => [topic, Buffer.from(payload).toString()]),
      EXPECTED[number]?.events ?? [],
    );
  });
}
