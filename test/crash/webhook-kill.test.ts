import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../../src/testing/child.ts';
import { within } from '../../src/testing/deadline.ts';
import { HYDRANT_BIN, type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createRandom } from '../../src/testing/random.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { githubHeaders, JSON_HEADERS } from '../../src/testing/webhooks.ts';
import { startWitness } from '../../src/testing/witness.ts';

const SECRET = 'kill me';

/** A process of the source, and where it listens. */
async function startProcess(folder: string, server: HydrantServer, crash?: string): Promise<{ child: Child; url: string }> {
  const args = ['--preset', 'github', '--listen', '127.0.0.1:0', '--url', server.mqttUrl, '--data', join(folder, 'data')];
  const child = new Child(HYDRANT_BIN, ['source', 'webhook', ...args], { env: { HYDRANT_SOURCE_SECRET: SECRET, HYDRANT_CRASH: crash } });
  const url = await child.line((line) => /"url":"(http:[^"]+)".*taking webhooks/.exec(line)?.[1], 30_000, 'where it listens');
  return { child, url };
}

/** @returns undefined when nobody answered */
async function send(url: string, n: number): Promise<{ status: number; id: string } | undefined> {
  const body = JSON.stringify({ n, repository: { full_name: 'a/b' } });
  try {
    const headers = { ...JSON_HEADERS, ...githubHeaders(SECRET, body, `delivery-${n}`) };
    const response = await fetch(url, { method: 'POST', body, headers });
    return { status: response.status, id: ((await response.json()) as { id: string }).id };
  } catch {
    return undefined;
  }
}

// The first commit of an outbox notes who its client is.
for (const [point, stored, status] of [
  ['outbox.before-commit:2', false, 202],
  ['outbox.after-commit:2', true, 200],
  ['webhook.before-answer', true, 200],
] as const) {
  test(`killed at ${point} the sender has no answer, and its repeat is ${stored ? 'no second event' : 'the event'}`, async () => {
    await using folder = await createTempFolder();
    await using server = await startHydrant();
    await using witness = await startWitness(server.mqttUrl, ['github/#']);
    {
      const { child, url } = await startProcess(folder.path, server, point);
      await using _ = child;
      assert.equal(await send(url, 1), undefined);
      assert.equal((await within(child.exited, 20_000, 'the process to die')).signal, 'SIGKILL');
    }
    const { child, url } = await startProcess(folder.path, server);
    await using _ = child;
    if (stored) await witness.seen(1);
    const answer = await send(url, 1);
    assert.equal(answer?.status, status);
    const next = await send(url, 2);
    assert.deepEqual([next?.status, (await send(url, 2))?.status], [202, 200]);
    assert.deepEqual(await child.kill('SIGTERM'), { code: 0, signal: null });
    await witness.seen(2);
    const ids = witness.events.filter(({ text }) => text.includes('"n":1')).map(({ id }) => id);
    assert.deepEqual(new Set(ids), new Set([answer?.id]));
    assert.equal(ids.length, 1);
  });
}

test('senders that repeat until they are answered lose nothing and double no id, however often the process is killed', async () => {
  const random = createRandom('webhook');
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  await using witness = await startWitness(server.mqttUrl, ['github/#']);
  const idOf = new Map<number, string>();
  const total = 600;
  const unanswered: number[] = [];
  let next = 0;
  for (let round = 0; idOf.size < total; round++) {
    const { child, url } = await startProcess(folder.path, server);
    await using _ = child;
    const last = round < 4 ? idOf.size + random.between(20, 130) : Number.POSITIVE_INFINITY;
    const sender = async (): Promise<void> => {
      for (;;) {
        const n = unanswered.pop() ?? (next < total ? next++ : undefined);
        if (n === undefined) return;
        const answer = await send(url, n);
        if (!answer) {
          unanswered.push(n);
          return;
        }
        assert.ok(answer.status === 202 || answer.status === 200, `delivery ${n}: ${answer.status}`);
        idOf.set(n, answer.id);
        if (idOf.size >= last) child.signal('SIGKILL');
      }
    };
    await Promise.all(Array.from({ length: 8 }, sender));
    if (last === Number.POSITIVE_INFINITY) assert.deepEqual(await child.kill('SIGTERM'), { code: 0, signal: null });
  }
  await witness.seen(total);
  const seen = Map.groupBy(witness.events, ({ text }) => JSON.parse(text).n as number);
  assert.equal(seen.size, total);
  for (const [n, events] of seen) for (const { id } of events) assert.equal(id, idOf.get(n), `delivery ${n}`);
});
