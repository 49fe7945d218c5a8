import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { type Dovecot, startDovecot } from '../../src/testing/dovecot.ts';
import { findEvents, HYDRANT_BIN, type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { launchpadMail } from '../../src/testing/launchpad-mail.ts';
import { freePort } from '../../src/testing/mosquitto.ts';
import { createRandom } from '../../src/testing/random.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const ROUNDS = 3;
const MAILS = 40;

async function flagged(dovecot: Dovecot): Promise<string[]> {
  return [...(await dovecot.flags())].filter(([, flags]) => flags.includes('S')).map(([name]) => name);
}

test('mails are flagged once the bus has their events, and none is missed, however often the source, the bus and the mail server are killed', async () => {
  const random = createRandom('launchpad');
  await using folder = await createTempFolder();
  await using data = await createTempFolder();
  await using dovecot = await startDovecot();
  const port = await freePort();
  const start = (): Promise<HydrantServer> => startHydrant({ data: data.path, set: { 'listeners.mqtt.port': port } });
  const args = ['--host', '127.0.0.1', '--port', String(dovecot.port), '--tls', 'off', '--user', dovecot.user, '--poll', '1s'];
  const run = (): Child =>
    new Child(HYDRANT_BIN, ['source', 'launchpad', ...args, '--url', `mqtt://127.0.0.1:${port}`, '--data', folder.path], {
      env: { HYDRANT_SOURCE_PASSWORD: dovecot.password },
    });
  const numberOf = new Map<string, string>();
  const deliver = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const number = numberOf.size + 1;
      numberOf.set(await dovecot.deliver(launchpadMail({ number })), String(number));
    }
  };
  const published = async (): Promise<Map<string, Set<string | undefined>>> => {
    const ids = new Map<string, Set<string | undefined>>();
    for (const { topic, id } of await findEvents(data.path, 'launchpad/#')) {
      const number = topic.split('/').at(-1)!;
      ids.set(number, (ids.get(number) ?? new Set()).add(id));
    }
    return ids;
  };

  const lastRead = async (): Promise<number> => {
    const text = await readFile(join(folder.path, 'sources/launchpad/cursor.json'), 'utf8').catch(() => '{}');
    const [mailbox] = Object.values(JSON.parse(text) as Record<string, { uid: number }>);
    return mailbox?.uid ?? 0;
  };

  // The bus is away: what is read waits in the outbox, over deaths, and no mail is flagged.
  for (let round = 0; round < ROUNDS; round++) {
    await using child = run();
    const wanted = numberOf.size + random.between(1, MAILS);
    const delivered = deliver(MAILS);
    await until(
      async () => (await lastRead()) >= wanted,
      () => `mail ${wanted} to be read\n${child.text()}`,
      60_000,
    );
    await child.kill('SIGKILL');
    await delivered;
  }
  assert.deepEqual(await flagged(dovecot), []);

  let server = await start();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await using child = run();
      const wanted = (await flagged(dovecot)).length + 1;
      const delivered = deliver(MAILS);
      await until(
        async () => (await flagged(dovecot)).length >= wanted,
        () => `a mail to be flagged\n${child.text()}`,
        60_000,
      );
      if (round === 1) await dovecot.kill();
      if (round === 2) await server.kill();
      await child.kill('SIGKILL');
      await delivered;
      if (round === 1) await dovecot.restart();
      if (round === 2) {
        await server[Symbol.asyncDispose]();
        server = await start();
      }
      const [there, marked] = [await published(), await flagged(dovecot)];
      assert.deepEqual(
        marked.filter((name) => !there.has(numberOf.get(name)!)),
        [],
      );
    }
    await using child = run();
    await child.line((line) => line.includes('"event":"ready"') || undefined, 60_000, 'the line that says it runs');
    await until(
      async () => (await flagged(dovecot)).length === numberOf.size,
      () => `all to be flagged\n${child.text()}`,
      60_000,
    );
    assert.deepEqual(await child.kill('SIGTERM'), { code: 0, signal: null });
  } finally {
    await server[Symbol.asyncDispose]();
  }
  const ids = await published();
  assert.deepEqual(
    [...numberOf.values()].filter((number) => ids.get(number)?.size !== 1),
    [],
  );
  assert.equal(ids.size, numberOf.size);
});
