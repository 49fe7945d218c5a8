import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { within } from '../testing/deadline.ts';
import { openClient } from './index.ts';

const ATTEMPTS = 25;

test('between two attempts to connect there is no more than `maxBackoffMs`', async () => {
  await using client = await openClient({ outbox: ':memory:', url: 'mqtt://127.0.0.1:9', maxBackoffMs: 10 });
  const tried = Promise.withResolvers<void>();
  let failed = 0;
  client.on('link', ({ kind }) => {
    if (kind === 'failed' && ++failed === ATTEMPTS) tried.resolve();
  });
  client.publish({ topic: 'a', payload: 'x' });
  // Up to half a minute each they would take some minutes.
  await within(tried.promise, 20_000, `${ATTEMPTS} attempts`);
  await client.close({ deadlineMs: 0 });
});

/** What a program prints that has a client. */
async function run(lines: string): Promise<string> {
  const program = `import { openClient } from ${JSON.stringify(new URL('index.ts', import.meta.url))};
    const client = await openClient({ outbox: ':memory:', url: 'mqtt://127.0.0.1:9' });
    ${lines}`;
  return (await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])).stdout;
}

test('a client opens in a program that is given on the command line', async () => {
  const printed = await run(`await client.publish({ topic: 'a', payload: 'x' }).stored;
    console.log(await client.close({ deadlineMs: 0 }));`);
  assert.equal(printed, '{ remaining: 1 }\n');
});

test('who waits for all to be acknowledged is told what is left when the client closes', async () => {
  const printed = await run(`await client.publish({ topic: 'a', payload: 'x' }).stored;
    const flushed = client.flush();
    await client.close({ deadlineMs: 0 });
    console.log(await flushed);`);
  assert.equal(printed, '{ remaining: 1 }\n');
});

test('a client that speaks MQTT over TCP loads no TLS', async () => {
  const printed = await run(`const failed = new Promise((resolve) => client.on('link', ({ kind }) => kind === 'failed' && resolve()));
    client.publish({ topic: 'a', payload: 'x' });
    await failed;
    await client.close({ deadlineMs: 0 });
    console.log(process.moduleLoadList.join());`);
  assert.match(printed, /NativeModule net,/);
  assert.doesNotMatch(printed, /NativeModule tls/);
});

test('a log that throws is an uncaught exception and stops nothing that is under way', async () => {
  const program = `import { openClient } from ${JSON.stringify(new URL('index.ts', import.meta.url))};
    let thrown = 0;
    process.on('uncaughtException', () => thrown++);
    const log = () => { throw new Error('the disk of the log is full'); };
    const client = await openClient({ outbox: ':memory:', url: 'mqtt://127.0.0.1:9', maxBackoffMs: 10, log });
    const failed = new Promise((resolve) => client.on('link', ({ link }) => link.lastError && ++tries === 3 && resolve()));
    let tries = 0;
    client.publish({ topic: 'a', payload: 'x' });
    await failed;
    console.log(await client.close({ deadlineMs: 0 }), thrown > 0);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], { timeout: 60_000 });
  assert.equal(stdout, '{ remaining: 1 } true\n');
});
