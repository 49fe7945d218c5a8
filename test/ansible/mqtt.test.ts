import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createController, localInventory, warningOf } from '../../src/testing/ansible.ts';
import { createTestAuthority } from '../../src/testing/certificates.ts';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort, startMosquitto } from '../../src/testing/mosquitto.ts';

const PLAYS = JSON.stringify(
  ['first', 'second'].map((name) => ({
    name,
    hosts: 'all',
    gather_facts: false,
    tasks: [
      { name: 'said', debug: { msg: '{{ item }}' }, loop: [name] },
      { name: 'ignored', fail: { msg: 'no' }, ignore_errors: true },
    ],
  })),
);
/** Of each play a start, an item, two results and a finish; of the run a line of statistics. */
const EVENTS = 2 * 5 + 1;

test("the original's environment and file go on working with Mosquitto, with its topics where legacy_topics asks for them, and across a broker that is away", async () => {
  await using controller = await createController(localInventory(['good']));
  await controller.write('site.yml', PLAYS);
  const file = join(controller.home, '.mqtt_client.yaml');
  await writeFile(file, 'mqtt_base_topic: deploys\nmqtt_hostname: nowhere.invalid\nmqtt_client_id: deployer\nlegacy_topics: true\n');
  const port = await freePort();
  const env = { MQTT_HOSTNAME: '127.0.0.1', MQTT_PORT: String(port), HYDRANT_WAIT_SECONDS: '60' };
  const away = await controller.play(['site.yml'], env);
  assert.equal(away.code, 0, away.stderr);
  assert.match(
    warningOf(away) ?? '',
    new RegExp(`^hydrant: ${EVENTS} events are not sent, .*: mqtt://127.0.0.1:${port}: Connection refused$`),
  );

  await using broker = await startMosquitto({ port });
  await using reader = new Child('stdbuf', ['-oL', 'mosquitto_sub', '-p', String(port), '-t', '#', '-q', '1', '-F', '%t %p', '-d']);
  await reader.line((line) => (line.startsWith('Subscribed') ? true : undefined), 60_000, 'the subscription');
  const next = await controller.play(['site.yml'], env);
  assert.equal(next.code, 0, next.stderr);
  assert.equal(warningOf(next), undefined);
  const lines = (): string[] => reader.lines.filter((line) => line.startsWith('deploys/'));
  await until(
    () => lines().length >= 2 * EVENTS,
    () => lines().join('\n'),
    60_000,
  );
  const events = lines().map((line) => ({ topic: line.slice(0, line.indexOf(' ')), data: JSON.parse(line.slice(line.indexOf(' ') + 1)) }));
  assert.equal(new Set(events.map(({ data }) => data.event_id)).size, 2 * EVENTS);
  assert.equal(events.length, 2 * EVENTS);
  const run = events.filter(({ data }) => data.session === events.at(-1)!.data.session);
  const paths = run.map(({ topic, data }) => topic.replace(data.playbook_id, data.playbook_name));
  const play = (name: string): string[] => [
    `deploys/playbooks/${name}/action/start`,
    `deploys/playbooks/${name}/task_items/good/OK`,
    `deploys/playbooks/${name}/tasks/good/OK`,
    `deploys/playbooks/${name}/tasks/good/FAILED`,
  ];
  const end = (name: string): string => `deploys/playbook/${name}/action/finish/OK`;
  assert.deepEqual(paths, [...play('first'), end('first'), ...play('second'), 'deploys/playbook/second/stats/good', end('second')]);
  assert.equal(new Set(run.map(({ data }) => data.playbook_id)).size, 2);
  const said = run.find(({ data }) => data.ansible_task === 'TASK: said' && data.ansible_type === 'task')!.data;
  assert.equal(JSON.parse(said.ansible_result).results[0].msg, 'first');
  await broker.stop();
});

test('an account, TLS with an authority of its own and a broker that is trusted or not: mqtts, and https', async () => {
  await using controller = await createController(localInventory(['good']));
  await controller.write('site.yml', PLAYS);
  await using authority = await createTestAuthority();
  const { cert, key } = await authority.server();
  await using server = await startHydrant({ set: { 'tls.cert': cert, 'tls.key': key } });
  const secure = new URL(server.urls.mqtts!);
  const base = { MQTT_HOSTNAME: 'localhost', MQTT_PORT: secure.port, HYDRANT_WAIT_SECONDS: '60' };
  const other = await createTestAuthority('Another authority');
  const doubted = await controller.play(['site.yml'], { ...base, MQTT_CA_CERTS: other.ca });
  await other[Symbol.asyncDispose]();
  assert.match(warningOf(doubted) ?? '', /: its certificate is not trusted: /);
  const trusted = await controller.play(['site.yml'], { ...base, MQTT_CA_CERTS: authority.ca });
  assert.equal(warningOf(trusted), undefined, trusted.stderr);
  const url = server.urls.https!.replace('127.0.0.1', 'localhost');
  const posted = await controller.play(['site.yml'], { HYDRANT_URL: url, HYDRANT_CA_CERTS: authority.ca, HYDRANT_WAIT_SECONDS: '60' });
  assert.equal(warningOf(posted), undefined, posted.stderr);
  const events = await findEvents(server.data, 'ansible/#');
  assert.equal(events.length, 3 * EVENTS);
});
