import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child, run } from '../../src/testing/child.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const PYTHON = '/usr/bin/python3';
const script = (name: string): string => fileURLToPath(new URL(`clients/${name}`, import.meta.url));
const port = (transport: string): string => String(transport === 'tcp' ? server.mqttPort : new URL(server.wsUrl).port);

for (const transport of ['tcp', 'websockets']) {
  test(`the firehose document's own script prints the stream over ${transport}`, { timeout: 60_000 }, async () => {
    using publisher = await RawClient.connect(server.mqttUrl);
    await publisher.deliver(`gerrit/${transport}/comment-added`, 'kept', { qos: 1, retain: true });
    await using python = new Child(PYTHON, [script('firehose.py'), '127.0.0.1', port(transport), transport]);
    const said = (line: string): Promise<boolean> => python.line((said) => (said === line ? true : undefined), 20_000, `"${line}"`);
    await said('Connected with result code 0');
    await said(`gerrit/${transport}/comment-added b'kept'`);
    publisher.publish('ansible/live', 'now');
    await said("ansible/live b'now'");
    assert.equal(python.exit, undefined);
  });

  for (const [version, name] of [
    ['3', 'MQTT 3.1'],
    ['4', 'MQTT 3.1.1'],
    ['5', 'MQTT 5'],
  ] as const) {
    test(`paho exchanges events at each QoS and comes back to its session over ${transport}, ${name}`, { timeout: 60_000 }, async () => {
      const prefix = `paho-${transport}-${version}`;
      const args = [script('exchange.py'), '127.0.0.1', port(transport), transport, version, prefix];
      const { code, stdout, stderr } = await run(PYTHON, args, { timeoutMs: 50_000 });
      assert.equal(code, 0, stderr);
      const expected = ['live 0 0', 'live 1 1', 'live 2 2', 'missed 1 1', 'missed 2 2'].map((line) => `${prefix}/${line}`);
      assert.deepEqual(stdout.trim().split('\n'), [...expected, 'done']);
    });
  }
}
