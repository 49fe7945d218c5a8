import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Child, run as runProgram } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { startFileServer } from '../../src/testing/file-server.ts';
import { startGearmand } from '../../src/testing/gearmand.ts';
import { findEvents, HYDRANT_BIN, startHydrant } from '../../src/testing/hydrant-server.ts';
import { STATUS, subunitPacket } from '../../src/testing/subunit-stream.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const WAIT_MS = 30_000;
const FILTER = 'gearman-logstash/#';

test("Debian's gearman tool submits a log, its lines come on standard output, and the event is on the bus", async () => {
  await using folder = await createTempFolder();
  await using bus = await startHydrant();
  await using gearmand = await startGearmand();
  await using web = await startFileServer({ '/console': 'one\ntwo\n' });
  const args = ['--gearman', gearmand.address, '--output', 'stdout', '--host', 'w', '--url', bus.mqttUrl, '--data', folder.path];
  await using source = new Child(HYDRANT_BIN, ['source', 'logs', ...args]);
  const event = { fields: { build_uuid: 'u', project: 'store/stock', build_queue: 'nightly' }, tags: ['console'] };
  const workload = JSON.stringify({ source_url: `${web.url}/console`, retry: false, event });
  const submitted = await runProgram('gearman', ['-h', '127.0.0.1', '-p', String(gearmand.port), '-f', 'push-log', workload]);
  assert.equal(submitted.code, 0, submitted.stderr);
  await source.line((line) => (line.includes('"two"') ? true : undefined), WAIT_MS, 'the last line of the log');
  await until(async () => (await findEvents(bus.data, FILTER)).length > 0, 'the event', WAIT_MS);
  source.signal('SIGTERM');
  assert.deepEqual(await source.exited, { code: 0, signal: null }, source.text());
  assert.deepEqual(
    source.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    ['one', 'two'].map((message) => ({ ...event.fields, tags: ['console'], message })),
  );
  const [told, ...more] = await findEvents(bus.data, FILTER);
  assert.equal(told!.topic, 'gearman-logstash/w/store/stock/nightly/retrieve_logs');
  assert.deepEqual(more, []);
});

test('a pipe of test results is published to its end, and the command ends with it', async () => {
  await using folder = await createTempFolder();
  await using bus = await startHydrant();
  const input = Buffer.concat(['a', 'b'].map((testId) => subunitPacket({ testId, status: STATUS.success, seconds: 1_700_000_000 })));
  const words = ['--file', '-', '--project', 'store/stock', '--change', '7', '--host', 'w', '--url', bus.mqttUrl, '--data', folder.path];
  const { code, stderr } = await runProgram(HYDRANT_BIN, ['source', 'subunit', ...words], { input, timeoutMs: WAIT_MS });
  assert.equal(code, 0, stderr);
  const topics = (await findEvents(bus.data, 'gearman-subunit/#')).map(({ topic }) =>
    topic.replace('gearman-subunit/w/store/stock/7/', ''),
  );
  assert.deepEqual(topics, ['test/a', 'test/b', 'total']);
});
