import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { findEvents, HYDRANT_BIN, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness } from '../../src/testing/witness.ts';

const sources = (script: string) => `sources:
  clock: { kind: exec, topic: clock/tick, command: [sh, -c, ${JSON.stringify(script)}] }
`;

test('up runs the sources of its configuration, signs their events and measures them', async () => {
  await using server = await startHydrant({ config: sources('seq 1 50; sleep 100') });
  await using witness = await startWitness(server.mqttUrl, ['clock/#']);
  await until(async () => (await findEvents(server.data, 'clock/#')).length === 50, 'fifty events in the journal');
  assert.deepEqual(new Set((await findEvents(server.data, 'clock/#')).map(({ source }) => source)), new Set(['clock']));
  const metrics = await (await fetch(`${server.httpUrl}/metrics`)).text();
  assert.match(metrics, /^hydrant_source_published_total\{source="clock"\} 50$/m);
  assert.match(metrics, /^hydrant_source_quarantined_events\{source="clock"\} 0$/m);
  assert.match(metrics, /^hydrant_source_up\{source="clock"\} 1$/m);
  assert.match(metrics, /^hydrant_source_last_event_age_seconds\{source="clock"\} /m);
  assert.equal((await server.stop()).code, 0);
  assert.equal(witness.texts.length, witness.firsts.length);
});

test('a reader of MQTT 5 gets the ids of what a source of up and a client of HTTP published, so that it can leave out repeats', async () => {
  await using folder = await createTempFolder();
  const go = join(folder.path, 'go');
  await using server = await startHydrant({ config: sources(`until [ -e ${go} ]; do sleep 0.02; done; echo one; sleep 100`) });
  await using witness = await startWitness(server.mqttUrl, ['clock/#']);
  await writeFile(go, '');
  await witness.seen(1);
  const posted = { method: 'POST', body: 'two', headers: { 'hydrant-id': 'mine' } };
  assert.equal((await fetch(`${server.httpUrl}/t/clock/http`, posted)).ok, true);
  await witness.seen(2);
  const [stored] = await findEvents(server.data, 'clock/tick');
  assert.ok(stored?.id);
  assert.deepEqual(
    witness.events.map(({ text, id }) => [text, id]),
    [
      ['one', stored.id],
      ['two', 'mine'],
    ],
  );
});

test('sources that have changed need a restart, and a mistake in them is said before it', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'sources.yaml');
  await writeFile(file, sources('sleep 100'));
  await using server = await startHydrant({ args: ['--config', file] });
  const reload = async (config: string, said: RegExp) => {
    await writeFile(file, config);
    process.kill(server.child.pid, 'SIGHUP');
    await until(() => said.test(server.child.text()), String(said));
  };
  await reload(sources('sleep 100').replace('topic:', 'topik:'), /sources\.clock\.topik: there is no such option; did you mean topic/);
  await reload(sources('sleep 99'), /"applied":\[\],"needRestart":\["sources"\]/);
});

test('a source of up that cannot be opened keeps it from starting, and names the place', async () => {
  await using folder = await createTempFolder();
  const set = ['--set', 'listeners.mqtt.port=0', '--set', 'listeners.http.port=0'];
  const { code, stderr } = await run(HYDRANT_BIN, ['up', '-d', folder.path, ...set, '--set', 'sources.exec.topik=a']);
  assert.equal(code, 2);
  assert.match(stderr, /sources.exec.topik: there is no such option; did you mean topic\?/);
  const check = await run(HYDRANT_BIN, ['config', 'check', '-d', folder.path, '--set', 'sources.exec.topic=a']);
  assert.equal(check.code, 2);
  assert.match(check.stderr, /sources.exec.command is needed/);
});

test('the command runs what the configuration says, with flags and secrets of the environment over it', async () => {
  await using folder = await createTempFolder();
  await writeFile(join(folder.path, 'lines.sh'), 'echo hi; sleep 100');
  const config = `sources:
  exec: { topic: a, cwd: ., command: [sh, lines.sh] }
  gerrit: { host: 127.0.0.1, user: u, key: no-such-key, eventsLog: { url: 'http://127.0.0.1:9', passwordFile: hush } }
`;
  await writeFile(join(folder.path, 'hydrant.yaml'), config);
  await writeFile(join(folder.path, 'hush'), 'hush\n');
  const trial = await run(HYDRANT_BIN, ['source', 'test', 'exec', '-t', 'b', '--wait', '2s', '-d', folder.path]);
  assert.match(trial.stdout, /^event {2}b {2}hi$/m);
  const env = { HYDRANT_SOURCE_EVENTS_LOG_PASSWORD: 'other' };
  const gerrit = await run(HYDRANT_BIN, ['source', 'test', 'gerrit', '--events-log-user', 'v', '-d', folder.path], { env });
  assert.match(gerrit.stdout, new RegExp(`${folder.path}/no-such-key`));
  assert.equal(gerrit.code, 1);
});

test('config show hides the secrets of sources', async () => {
  await using folder = await createTempFolder();
  const show = await run(HYDRANT_BIN, ['config', 'show', '-d', folder.path, '--set', 'sources.launchpad.password=hush']);
  assert.match(show.stdout, /"password":"\*\*\*"/);
  assert.doesNotMatch(show.stdout, /hush/);
});

test('a server that is killed loses no event of its sources that was read', async () => {
  await using folder = await createTempFolder();
  const config = sources('i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $$-$i; done; sleep 100');
  for (let round = 0; round < 3; round++) {
    await using server = await startHydrant({ data: folder.path, config });
    await until(async () => (await findEvents(server.data, 'clock/#')).length > round * 2000, 'events of this round');
    await server.child.kill('SIGKILL');
  }
  await using server = await startHydrant({ data: folder.path });
  const texts = (await findEvents(server.data, 'clock/#')).map(({ payload }) => Buffer.from(payload).toString());
  const runs = Map.groupBy(texts, (text) => text.split('-')[0]!);
  assert.ok(runs.size >= 3);
  for (const lines of runs.values()) {
    const numbers = [...new Set(lines.map((line) => Number(line.split('-')[1])))];
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i + 1),
      'in order, without a hole',
    );
  }
});
