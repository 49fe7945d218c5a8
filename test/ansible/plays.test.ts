import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { createEventCheck } from '../../src/sources/catalogue/event-check.ts';
import { findSchema } from '../../src/sources/catalogue/find-schema.ts';
import { SCHEMAS } from '../../src/sources/catalogue/schemas.ts';
import { type AnsibleData, type Controller, createController, dataOf, localInventory, warningOf } from '../../src/testing/ansible.ts';
import type { Output } from '../../src/testing/child.ts';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import type { StoredEvent } from '../../src/wire/event.ts';

interface Seen {
  topic: string;
  /** Behind `ansible/playbook/<id>/`. */
  path: string;
  data: AnsibleData;
  event: StoredEvent;
}

const ODD = 'web/1+#';
const AWAY = { ansible_connection: 'ssh', ansible_host: '127.0.0.1', ansible_port: 1 };
const server = await shareServer();
let controller: Controller;
let site: Output;
let seen: Seen[];

before(async () => {
  controller = await createController(localInventory(['good', ODD], { away: AWAY, away2: AWAY }));
  await controller.write('site.yml', await readFile(new URL('site.yml', import.meta.url), 'utf8'));
  site = await controller.play(['site.yml'], { HYDRANT_URL: server.httpUrl, HYDRANT_WAIT_SECONDS: '60' });
  seen = (await findEvents(server.data, 'ansible/#')).map(seenOf);
});
after(() => controller?.[Symbol.asyncDispose]());

function seenOf(event: StoredEvent): Seen {
  return { topic: event.topic, path: event.topic.split('/').slice(3).join('/'), data: dataOf(event), event };
}

function tasks(name: string, path?: string): Seen[] {
  return seen.filter(({ data, path: at }) => data.ansible_task === `TASK: ${name}` && (path === undefined || at === path));
}

function only(found: Seen[]): AnsibleData {
  assert.equal(found.length, 1, JSON.stringify(found));
  return found[0]!.data;
}

test('the run ends as it would without the plugin, and there is nothing to warn of', () => {
  assert.equal(site.code, 4, site.stdout + site.stderr);
  assert.match(site.stdout, /good +: ok=\d+ +changed=3 +unreachable=0 +failed=1 +skipped=1 +rescued=2/);
  assert.equal(warningOf(site), undefined);
  assert.doesNotMatch(site.stderr, /callback/i);
});

test('every play starts and finishes once, with its own result, under the id of the run', () => {
  const ids = new Set(seen.map(({ data }) => data.playbook_id));
  assert.equal(ids.size, 1);
  assert.ok(seen.every(({ topic, data }) => topic.startsWith(`ansible/playbook/${data.playbook_id}/`)));
  const plays = seen.filter(({ path }) => path.startsWith('action/')).map(({ path, data }) => [path, data.playbook_name]);
  assert.deepEqual(plays, [
    ['action/start', 'first'],
    ['action/finish/OK', 'first'],
    ['action/start', 'retries'],
    ['action/finish/OK', 'retries'],
    ['action/start', 'away'],
    ['action/finish/FAILED', 'away'],
    ['action/start', 'away and ignored'],
    ['action/finish/OK', 'away and ignored'],
    ['action/start', 'failing'],
    ['action/finish/FAILED', 'failing'],
  ]);
  for (const { data } of seen.filter(({ path }) => path.startsWith('task'))) {
    const start = only(seen.filter((other) => other.data.ansible_type === 'start' && other.data.play_id === data.play_id));
    assert.equal(data.playbook_name, start.playbook_name);
  }
});

test('a start and a result have the documented fields', () => {
  const start = seen[0]!.data;
  assert.equal(seen[0]!.path, 'action/start');
  const { host, session, playbook_id, play_id, timestamp, event_id, ...rest } = start;
  assert.deepEqual(rest, { status: 'OK', playbook_name: 'first', ansible_type: 'start', playbook_file: 'site.yml', check_mode: false });
  assert.ok([host, session, playbook_id, play_id].every((text) => typeof text === 'string' && text !== ''));
  const said = only(tasks('said', 'task/good/OK'));
  assert.deepEqual(
    { status: said.status, ansible_host: said.ansible_host, ansible_type: said.ansible_type, ansible_result: said.ansible_result },
    { status: 'OK', ansible_host: 'good', ansible_type: 'task', ansible_result: { msg: 'hello', changed: false } },
  );
  assert.deepEqual([said.host, said.session, said.playbook_id], [host, session, playbook_id]);
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.equal(event_id, seen[0]!.event.id);
});

test('each event comes once, in the order it happened, as JSON under an id of its own', () => {
  assert.ok(seen.length > 50);
  assert.equal(new Set(seen.map(({ event }) => event.id)).size, seen.length);
  assert.ok(seen.every(({ event }) => event.contentType === 'application/json'));
  const stamps = seen.map(({ data }) => data.timestamp);
  assert.deepEqual(stamps, stamps.toSorted());
});

test('each event is of a type of the catalogue, and matches its schema', () => {
  const check = createEventCheck(SCHEMAS);
  const names = new Set<string | undefined>();
  for (const { topic, data, event } of seen) {
    const name = findSchema(topic)?.name;
    names.add(name);
    assert.equal(check(name!, data, event.payload), undefined);
  }
  assert.deepEqual([...names].toSorted(), ['ansible.finish', 'ansible.item', 'ansible.start', 'ansible.stats', 'ansible.task']);
});

test('a host with a hostile name stays one level', () => {
  assert.equal(only(tasks('said', 'task/web%2F1%2B%23/OK')).ansible_host, ODD);
  assert.ok(seen.some(({ path }) => path === 'stats/web%2F1%2B%23'));
});

test('what is ignored, rescued or skipped is said and does not fail the play', () => {
  const ignored = only(tasks('ignored', 'task/good/FAILED'));
  assert.deepEqual([ignored.ignored, ignored.rescued, ignored.ansible_result.msg], [true, false, 'never mind']);
  const rescued = only(tasks('rescued', 'task/good/FAILED'));
  assert.deepEqual([rescued.ignored, rescued.rescued], [false, true]);
  assert.equal(tasks('rescuing', 'task/good/OK').length, 1);
  assert.equal(tasks('always', 'task/good/OK').length, 1);
  assert.equal(only(tasks('skipped', 'task/good/SKIPPED')).status, 'SKIPPED');
  const [first, again] = [only(tasks('fails first')), only(tasks('fails again'))];
  assert.deepEqual([first.rescued, again.rescued, again.ignored], [true, false, false]);
});

test('items of a loop and retries have topics of their own', () => {
  const items = ['OK', 'FAILED', 'SKIPPED'].map((status) => only(tasks('items', `task_items/good/${status}`)));
  assert.deepEqual(
    items.map(({ ansible_type, ansible_result }) => [ansible_type, ansible_result.item]),
    ['one', 'two', 'three'].map((item) => ['item', item]),
  );
  assert.equal(only(tasks('items', 'task/good/FAILED')).ansible_result.results.length, 3);
  const retry = only(tasks('tried twice', 'task_items/good/RETRY'));
  assert.deepEqual([retry.ansible_result.rc, retry.ansible_result.attempts], [1, 1]);
  assert.equal(only(tasks('tried twice', 'task/good/OK')).ansible_result.attempts, 2);
});

test('an unreachable host is told, and fails the play unless that is ignored', () => {
  const away = only(tasks('reached', 'task/away/UNREACHABLE'));
  assert.match(away.ansible_result.msg, /Connection refused/);
  assert.equal(away.ignored, false);
  assert.equal(only(tasks('not reached', 'task/away2/UNREACHABLE')).ignored, true);
  assert.equal(tasks('reached', 'task/good/OK').length, 1);
});

test('nothing that no_log hides is in any event', () => {
  assert.ok(!seen.some(({ event }) => Buffer.from(event.payload).includes('topsecret')));
  assert.equal(tasks('hidden', 'task_items/good/OK').length, 2);
  for (const name of ['hidden', 'hidden by an expression', 'hidden with a fault'])
    for (const { data } of tasks(name)) assert.match(data.ansible_result.censored, /no_log/);
});

test('a result that is too long is shortened and says how long it was', () => {
  const large = only(tasks('large', 'task/good/OK'));
  assert.equal(large.truncated, true);
  assert.ok(large.ansible_result_bytes > 3_000_000);
  assert.match(large.ansible_result.stdout, /^x+… \(\d+ characters more\)$/);
  assert.equal(large.ansible_result.rc, 0);
});

test('the statistics of each host come once', () => {
  const stats = Object.fromEntries(seen.filter(({ path }) => path.startsWith('stats/')).map(({ data }) => [data.ansible_host, data.stats]));
  assert.deepEqual(Object.keys(stats).toSorted(), ['away', 'away2', 'good', ODD].toSorted());
  assert.deepEqual([stats.good?.failures, stats.good?.rescued, stats.away?.unreachable, stats.away2?.unreachable], [1, 2, 1, 0]);
});

test('each playbook of a command has an id of its own, and check mode is said', async () => {
  for (const name of ['one', 'two'])
    await controller.write(
      `${name}.yml`,
      JSON.stringify([
        { name, hosts: 'good', gather_facts: false, tasks: [{ name: 'checked', command: `touch ${controller.path}/touched` }] },
      ]),
    );
  const env = { HYDRANT_URL: server.mqttUrl, HYDRANT_BASE_TOPIC: 'site/checks', HYDRANT_WAIT_SECONDS: '60' };
  const output = await controller.play(['--check', 'one.yml', 'two.yml'], env);
  assert.equal(output.code, 0, output.stdout + output.stderr);
  const events = (await findEvents(server.data, 'site/checks/#')).map(dataOf);
  const starts = events.filter(({ ansible_type }) => ansible_type === 'start');
  assert.deepEqual(
    starts.map(({ playbook_file, check_mode }) => [playbook_file, check_mode]),
    [
      ['one.yml', true],
      ['two.yml', true],
    ],
  );
  assert.equal(new Set(starts.map(({ playbook_id }) => playbook_id)).size, 2);
  assert.equal(new Set(starts.map(({ session }) => session)).size, 1);
  assert.equal(events.filter(({ ansible_type, status }) => ansible_type === 'finish' && status === 'OK').length, 2);
  assert.equal(events.filter(({ ansible_type, status }) => ansible_type === 'task' && status === 'SKIPPED').length, 2);
});
