import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { startBreakingProxy } from '../../src/testing/breaking-proxy.ts';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { startFileServer } from '../../src/testing/file-server.ts';
import { countJobs, type Gearmand, startGearmand, submitInBackground } from '../../src/testing/gearmand.ts';
import { findEvents, HYDRANT_BIN, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createRandom } from '../../src/testing/random.ts';
import { STATUS, subunitPacket } from '../../src/testing/subunit-stream.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

/** What breaks, in turn. */
const ROUNDS = ['source', 'cut', 'commit', 'gearmand', 'cut', 'source'] as const;
const JOBS = 60;
const TESTS = 20;
const FUNCTION = 'push-subunit';

test('however often Hydrant and gearmand are killed and the connection is cut, every build is told whole, under the same ids', async () => {
  const random = createRandom('gearman kill loop');
  await using data = await createTempFolder();
  await using own = await createTempFolder();
  await using bus = await startHydrant({ data: data.path });
  const files = Array.from({ length: JOBS }, (_, build) => [`/${build}.gz`, gzipSync(buildStream(build))]);
  await using web = await startFileServer(Object.fromEntries(files));
  const database = join(own.path, 'queue');
  let gearmand: Gearmand = await startGearmand({ database });
  const { port } = gearmand;
  await using other = await startGearmand();
  await using proxy = await startBreakingProxy(port);
  const servers = ['--gearman', `127.0.0.1:${proxy.port}`, '--gearman', other.address];
  const args = ['source', 'subunit', ...servers, '--host', 'w', '--url', bus.mqttUrl, '--data', join(own.path, 'data')];
  const start = (crash?: string): Child => new Child(HYDRANT_BIN, args, { env: { HYDRANT_CRASH: crash } });
  const submit = (builds: number[], to: number): Promise<void> =>
    submitInBackground(
      to,
      FUNCTION,
      builds.map((build) => job(web.url, build)),
    );
  const builds = Array.from({ length: JOBS }, (_, build) => build);
  await submit(
    builds.filter((build) => build % 3 > 0),
    port,
  );
  await submit(
    builds.filter((build) => build % 3 === 0),
    other.port,
  );
  let source = start();
  try {
    for (const what of ROUNDS) {
      const wanted = web.asked.length + random.between(1, 6);
      await until(
        () => web.asked.length >= wanted || web.asked.length >= JOBS,
        () => `${wanted} files asked for\n${source.text()}`,
        60_000,
      );
      if (what === 'source') {
        await source.kill('SIGKILL');
        source = start();
      } else if (what === 'commit') {
        await source.kill('SIGKILL');
        source = start(`outbox.before-commit:${random.between(1, 6)}`);
        assert.deepEqual(await source.exited, { code: null, signal: 'SIGKILL' }, source.text());
        source = start();
      } else if (what === 'gearmand') {
        await gearmand.kill('SIGKILL');
        proxy.cut();
        gearmand = await startGearmand({ port, database });
      } else proxy.cutAfter(random.between(0, 1) === 0 ? 'client' : 'server', random.between(1, 600));
    }
    const left = async (): Promise<number> => (await countJobs(port, FUNCTION)) + (await countJobs(other.port, FUNCTION));
    await until(
      async () => (await left()) === 0,
      () => `no job to be left\n${source.text()}`,
      90_000,
    );
    source.signal('SIGTERM');
    assert.deepEqual(await source.exited, { code: 0, signal: null }, source.text());
  } finally {
    await source[Symbol.asyncDispose]();
    await gearmand[Symbol.asyncDispose]();
  }
  const ids = new Map<string, Set<string | undefined>>();
  for (const { topic, id } of await findEvents(data.path, 'gearman-subunit/#')) ids.set(topic, (ids.get(topic) ?? new Set()).add(id));
  const expected = builds.flatMap((build) => {
    const topic = `gearman-subunit/w/store/stock/${build}`;
    return [topic, `${topic}/total`, ...Array.from({ length: TESTS }, (_, i) => `${topic}/test/t${i}`)];
  });
  assert.deepEqual([...ids.keys()].toSorted(), expected.toSorted());
  assert.deepEqual(
    [...ids].filter(([, own]) => own.size !== 1),
    [],
  );
});

function buildStream(build: number): Buffer {
  return Buffer.concat(
    Array.from({ length: TESTS }, (_, i) => [
      subunitPacket({ testId: `t${i}`, status: STATUS.inprogress, seconds: build * 100 + i }),
      subunitPacket({ testId: `t${i}`, status: STATUS.success, seconds: build * 100 + i + 1 }),
    ]).flat(),
  );
}

function job(url: string, build: number): string {
  const fields = { build_uuid: `uuid-${build}`, build_status: 'SUCCESS', project: 'store/stock', build_change: build };
  return JSON.stringify({ source_url: `${url}/${build}`, retry: true, event: { fields, tags: [] } });
}
