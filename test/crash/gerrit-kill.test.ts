import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBreakingProxy } from '../../src/testing/breaking-proxy.ts';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { startEventsLog } from '../../src/testing/events-log.ts';
import { findEvents, HYDRANT_BIN, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createRandom } from '../../src/testing/random.ts';
import { startSshd } from '../../src/testing/sshd.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

/** What breaks, in turn. */
const ROUNDS = ['source', 'sshd', 'cut', 'source', 'cut', 'sshd', 'source'] as const;

test('however often Hydrant is killed, the server is killed and the connection is cut, no event of Gerrit is lost', async () => {
  const random = createRandom('gerrit kill loop');
  await using data = await createTempFolder();
  await using own = await createTempFolder();
  await using server = await startHydrant({ data: data.path });
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using proxy = await startBreakingProxy(sshd.port);
  const startSource = (): Child => {
    const login = ['--host', '127.0.0.1', '--port', `${proxy.port}`, '--user', sshd.user, '--key', sshd.key, '--host-key-check', 'off'];
    const fill = [
      '--events-log-url',
      log.url,
      '--events-log-user',
      log.user,
      '--events-log-password',
      log.password,
      '--events-log-delay',
      '500ms',
    ];
    return new Child(HYDRANT_BIN, ['source', 'gerrit', ...login, ...fill, '--url', server.mqttUrl, '--data', own.path]);
  };
  let sent = 0;
  const ended = new AbortController();
  const sending = (async () => {
    while (!ended.signal.aborted) {
      const lines = Array.from({ length: 10 }, () => {
        const event = { type: 'comment-added', project: 'nova', change: { number: sent++ }, eventCreatedOn: Math.floor(Date.now() / 1000) };
        log.add(event);
        return `${JSON.stringify(event)}\n`;
      });
      await sshd.append(lines.join(''));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  const reach = (count: number): Promise<void> => until(() => sent >= count, `${count} events sent`, 60_000);
  let source = startSource();
  try {
    // What was before the first connection is nobody's: it begins here.
    let logins = (await sshd.logins(1)).length;
    const firstSure = sent;
    for (const what of ROUNDS) {
      await reach(sent + random.between(20, 400));
      if (what === 'source') {
        await source.kill();
        await reach(sent + random.between(20, 200));
        source = startSource();
      } else if (what === 'sshd') {
        await sshd.kill();
        proxy.cut();
        await reach(sent + random.between(20, 200));
        await sshd.start();
      } else {
        proxy.cutAfter('server', random.between(1, 5000));
      }
      logins = (await sshd.logins(logins + 1)).length;
    }
    await reach(sent + 50);
    ended.abort();
    await sending;
    const found = async (): Promise<Map<number, string[]>> => {
      const ids = new Map<number, string[]>();
      for (const { id, payload } of await findEvents(data.path, 'gerrit/nova/comment-added')) {
        const { number } = JSON.parse(Buffer.from(payload).toString()).change;
        ids.set(number, [...(ids.get(number) ?? []), id ?? '']);
      }
      return ids;
    };
    let events = new Map<number, string[]>();
    const missing = (): number[] =>
      Array.from({ length: sent - firstSure }, (_, i) => firstSure + i).filter((number) => !events.has(number));
    await until(
      async () => {
        events = await found();
        return missing().length === 0;
      },
      () => `${missing().length} of ${sent} events, the first ${missing()[0]}\n${source.text()}`,
      60_000,
    );
    for (const [number, ids] of events) assert.equal(new Set(ids).size, 1, `${number} came under several ids`);
    assert.deepEqual(await findEvents(data.path, 'gerrit/$gap'), []);
    source.signal('SIGTERM');
    assert.deepEqual(await source.exited, { code: 0, signal: null }, source.text());
  } finally {
    ended.abort();
    await source[Symbol.asyncDispose]();
  }
});
