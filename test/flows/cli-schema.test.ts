import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';

const PATIENCE_MS = 60_000;

test('what find and sub print is validated: the event that does not match is named, and the exit code is 1', async () => {
  await using server = await startHydrant({ readyTimeoutMs: PATIENCE_MS });
  using client = await RawClient.connect(server.mqttUrl, { auto: true });
  const publish = async (topic: string, payload: string): Promise<void> => {
    client.publish(topic, payload, { qos: 1 });
    await client.take('puback');
  };
  await publish('gerrit/openstack/nova/ref-updated', '{"type":"ref-updated"}');
  await publish('gerrit/openstack/nova/ref-updated', '{"type":"ref-updated","refUpdate":[]}');
  await publish('plant/1', 'warm');
  const found = await runHydrant(['find', '#', '--data', server.data, '-o', 'ndjson'], { timeoutMs: PATIENCE_MS });
  const reading = ['--since', '1h', '-C', '3', '-t', '#', '--url', server.mqttUrl, '-o', 'ndjson'];
  const read = await runHydrant(['sub', ...reading], { timeoutMs: PATIENCE_MS });
  await validate(found.stdout);
  await validate(read.stdout);
});

async function validate(lines: string): Promise<void> {
  const { code, stdout, stderr } = await runHydrant(['schema', 'validate'], { input: lines, timeoutMs: PATIENCE_MS });
  assert.deepEqual(
    [code, stderr, JSON.parse(stdout)],
    [
      1,
      '1 match, 1 does not, 1 on topics without a schema\n',
      {
        file: '-',
        line: 2,
        topic: 'gerrit/openstack/nova/ref-updated',
        schema: 'gerrit.ref-updated',
        why: 'refUpdate should be object and is an array of 0',
      },
    ],
  );
}
