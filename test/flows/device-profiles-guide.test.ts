import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startAws } from '../../src/testing/aws-stand-in.ts';
import { startAzure } from '../../src/testing/azure-stand-in.ts';
import { run as runProgram } from '../../src/testing/child.ts';
import { startClearblade } from '../../src/testing/clearblade-stand-in.ts';
import { type StandIn, startService } from '../../src/testing/stand-in.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// Each block of docs/guide/device-profiles.md, run as a program of its own against a stand-in of its service.

const FROM_SOURCE = new URL('../../src/testing/from-source.ts', import.meta.url).href;
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const guide = await readFile(new URL('../../docs/guide/device-profiles.md', import.meta.url), 'utf8');
const blocks = [...guide.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code!);

interface Case {
  profile: string;
  start(): Promise<StandIn>;
  /** The program with the stand-in in the place of the service. */
  reach(code: string, url: string): string;
  expected: string[];
}

const clientId = 'projects/my-project/locations/us-central1/registries/pumps/devices/pump-7';
const cases: Case[] = [
  {
    profile: 'generic',
    start: startService,
    reach: (code, url) => code.replace('mqtt://127.0.0.1:1883', url),
    expected: ['/devices/pump-7/data/flow {"index":0,"val":10}'],
  },
  {
    profile: 'clearblade',
    start: () => startClearblade({ project: 'my-project', devices: new Map([[clientId, publicKey]]) }),
    reach: (code, url) => code.replace("key: './device.pem'", `key: './device.pem', url: '${url}'`),
    expected: ['/devices/pump-7/events {"index":0,"val":10}', '/devices/pump-7/state [{"flow":1,"pressure":12}]'],
  },
  {
    profile: 'aws',
    start: () => startAws({ authorizer: { name: 'gate', username: 'pump-7', password: 'secret' } }),
    reach: (code, url) => code.replace('abc123-ats.iot.eu-west-1.amazonaws.com', url),
    expected: ['$aws/things/pump-7/shadow/update {"state":{"reported":{"pump":{"on":true,"rpm":900}}}}'],
  },
  {
    profile: 'azure',
    start: () => startAzure({ host: 'my-hub.azure-devices.net', devices: new Map([['pump-7', 'c2VjcmV0IG9mIHB1bXAtNw==']]) }),
    reach: (code, url) => code.replace("hub: 'my-hub',", `hub: 'my-hub', url: '${url}',`),
    expected: [
      '$iothub/twin/PATCH/properties/reported/?$rid=state {"firmware":"1.2","rpm":900}',
      'devices/pump-7/messages/events/sub=flow {"index":0}',
    ],
  },
  {
    profile: 'one of your own',
    start: startService,
    reach: (code, url) => code.replace('mqtt://127.0.0.1:1883', url),
    expected: ['site/pump-7/data/flow {"val":10}'],
  },
];

/** Runs the block of a case to its end. */
async function runBlock({ start, reach }: Case, at: number) {
  const service = await start();
  after(() => service[Symbol.asyncDispose]());
  await using folder = await createTempFolder();
  await writeFile(join(folder.path, 'device.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(join(folder.path, 'program.mjs'), reach(blocks[at] ?? '', service.url));
  return { service, output: await runProgram(process.execPath, ['--import', FROM_SOURCE, 'program.mjs'], { cwd: folder.path }) };
}

const runs = await Promise.all(cases.map(runBlock));

test('the guide has as many blocks of code as are looked at here', () => {
  assert.equal(blocks.length, cases.length);
});

for (const [at, { profile, expected }] of cases.entries()) {
  test(`the block of the guide for ${profile} runs as it stands, and the service gets what is said`, () => {
    const { service, output } = runs[at]!;
    assert.deepEqual(output, { code: 0, signal: null, stdout: '', stderr: '' });
    // At least once: a repeat counts as what it repeats.
    const received = new Set(service.received.map(({ topic, text }) => `${topic} ${text}`));
    assert.deepEqual([...received].sort(), expected.toSorted());
    assert.deepEqual(service.closings, []);
  });
}
