import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientInfo } from '../../src/broker/client-table.ts';
import { openClient } from '../../src/client/index.ts';
import { packageVersion } from '../../src/core/version.ts';
import { until } from '../../src/testing/deadline.ts';
import { runHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const AT = ['--data', server.data];

async function list(): Promise<Map<string, ClientInfo>> {
  const { code, stdout, stderr } = await runHydrant(['clients', 'ls', ...AT, '-o', 'json']);
  assert.deepEqual([code, stderr], [0, '']);
  return new Map((JSON.parse(stdout) as ClientInfo[]).map((client) => [client.client, client]));
}

async function tell(clientId: string, topic: string, payload: string): Promise<void> {
  using client = await RawClient.connect(server.mqttUrl, { clientId });
  await client.deliver(topic, payload, { qos: 1, retain: true });
  await client.disconnect();
}

const status = (client: string, depth: number): string =>
  JSON.stringify({
    client,
    version: '9.9.9',
    depth,
    bytes: 700,
    oldestAgeMs: 185_400,
    dropped: 2,
    quarantined: 1,
    since: '2026-11-21T10:00:00Z',
  });

test('a client that tells its status is listed with its backlog', async () => {
  await using client = await openClient({
    url: server.mqttUrl,
    outbox: ':memory:',
    clientId: 'plant/7',
    status: { intervalMs: 100 },
    rate: { eventsPerSecond: 1 },
  });
  for (let i = 0; i < 50; i++) client.publish({ topic: 'slow', payload: 'x'.repeat(100) });
  let shown: ClientInfo | undefined;
  const isTold = async (): Promise<boolean> => {
    shown = (await list()).get('plant/7');
    return (shown?.outbox?.depth ?? 0) > 0;
  };
  await until(isTold, 'its backlog');
  const { depth, bytes, oldestAgeMs, at, ...rest } = shown!.outbox!;
  assert.ok(depth > 1 && depth <= 50, String(depth));
  assert.ok(bytes > 100 * depth);
  assert.ok(oldestAgeMs >= 0 && Date.now() - Date.parse(at) < 60_000);
  assert.deepEqual(rest, { dropped: 0, quarantined: 0, version: packageVersion() });
  assert.equal(shown!.connected, true);
  const { stdout } = await runHydrant(['clients', 'show', 'plant/7', ...AT, '-o', 'table']);
  assert.match(stdout, /\noutbox: +\d+ \(\d+s\) waiting, \d+ bytes, 0 dropped, 0 in quarantine; told \S+ by Hydrant /);
});

test('a client of which nothing is left but its status is listed as absent', async () => {
  await tell('left', 'hydrant/status/left', status('left', 7));
  const left = (await list()).get('left')!;
  assert.deepEqual([left.connected, left.user, left.outbox!.depth, left.since], [false, undefined, 7, left.outbox!.at]);
  const { stdout } = await runHydrant(['clients', 'ls', ...AT, '-o', 'table']);
  assert.match(stdout, /^CLIENT .* BEHIND +BACKLOG +EXPIRY\n/);
  assert.match(stdout, /\nleft +- +absent .* 7 \(3m5s\) /);
  const shown = await runHydrant(['clients', 'show', 'left', ...AT, '-o', 'table']);
  assert.match(shown.stdout, /\noutbox: +7 \(3m5s\) waiting, 700 bytes, 2 dropped, 1 in quarantine; told \S+ by Hydrant 9\.9\.9\n/);
});

test('what is no status, or not a client’s own, changes nothing', async () => {
  await tell('odd', 'hydrant/status/odd', 'not JSON');
  await tell('strange', 'hydrant/status/strange', JSON.stringify({ client: 'strange', depth: 'many' }));
  await tell('liar', 'hydrant/status/victim', status('victim', 1_000_000));
  using victim = await RawClient.connect(server.mqttUrl, { clientId: 'victim' });
  const clients = await list();
  assert.deepEqual([clients.get('victim')!.connected, clients.get('victim')!.outbox], [true, undefined]);
  assert.deepEqual([clients.has('odd'), clients.has('strange'), clients.has('liar')], [false, false, false]);
  await victim.disconnect();
  assert.equal((await list()).has('victim'), false);
});
