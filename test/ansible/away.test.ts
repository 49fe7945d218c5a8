import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { createEventCheck } from '../../src/sources/catalogue/event-check.ts';
import { GAP_SCHEMA } from '../../src/sources/catalogue/gap-schema.ts';
import { type AnsibleData, type Controller, createController, dataOf, localInventory, warningOf } from '../../src/testing/ansible.ts';
import type { Child, Output } from '../../src/testing/child.ts';
import { until, within } from '../../src/testing/deadline.ts';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort } from '../../src/testing/mosquitto.ts';
import { startOutboxServe } from '../../src/testing/outbox-serve.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const HOSTS = ['good'];
/** A start, two results, a line of statistics, a finish. */
const PLAY_EVENTS = 5;
const PATIENT = { HYDRANT_WAIT_SECONDS: '60' };
const NOBODY = 'http://127.0.0.1:1';
const server = await shareServer();
let controller: Controller;

before(async () => {
  controller = await createController(localInventory(HOSTS));
  await controller.write(
    'short.yml',
    playbook([
      { name: 'one', debug: { msg: 'one' } },
      { name: 'two', debug: { msg: 'two' } },
    ]),
  );
  const slow = { name: 'slow', shell: `echo $$ > ${controller.path}/slow.pid; exec sleep 120` };
  await controller.write('slow.yml', playbook([{ name: 'one', debug: { msg: 'one' } }, slow]));
});
after(() => controller?.[Symbol.asyncDispose]());
beforeEach(() => rm(controller.spool, { recursive: true, force: true }));

function playbook(tasks: object[]): string {
  return JSON.stringify([{ name: 'short', hosts: 'all', gather_facts: false, tasks }]);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves when the task of slow.yml is under way. */
async function slowTask(): Promise<void> {
  const file = join(controller.path, 'slow.pid');
  await until(async () => (await readFile(file, 'utf8').catch(() => '')).endsWith('\n'), 'the slow task', 60_000);
}

/** It outlives the run. */
async function endSlowTask(): Promise<void> {
  const file = join(controller.path, 'slow.pid');
  const pid = Number(await readFile(file, 'utf8').catch(() => '0'));
  await rm(file, { force: true });
  if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL');
}

async function listen(bus: Server): Promise<void> {
  bus.listen(0, '127.0.0.1');
  await once(bus, 'listening');
}

async function spooled(): Promise<string[]> {
  const names = (await readdir(controller.spool)).filter((name) => name.endsWith('.spool'));
  const texts = await Promise.all(names.toSorted().map((name) => readFile(join(controller.spool, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n').slice(1, -1)).map((line) => line.slice(0, 26));
}

async function published(base: string): Promise<AnsibleData[]> {
  return (await findEvents(server.data, `${base}/#`)).map(dataOf);
}

test('what a bus that refuses, hangs, and is away when the run is killed did not get, the next run sends first', async () => {
  const env = { HYDRANT_URL: server.httpUrl, HYDRANT_BASE_TOPIC: 'away' };
  const refused = await controller.play(['short.yml'], { ...env, HYDRANT_URL: NOBODY });
  assert.equal(refused.code, 0, refused.stderr);
  assert.match(refused.stdout, /good +: ok=2 +changed=0 +unreachable=0 +failed=0/);
  assert.equal(
    warningOf(refused),
    `hydrant: 5 events are not sent, kept in ${controller.spool} for the next run: ${NOBODY}: Connection refused`,
  );
  assert.equal((await spooled()).length, PLAY_EVENTS);

  let left: string[];
  let next: Output;
  let killed: Child | undefined;
  process.kill(server.pid, 'SIGSTOP');
  try {
    const hung = await controller.play(['short.yml'], { ...env, HYDRANT_WAIT_SECONDS: '0.5' });
    assert.equal(hung.code, 0, hung.stderr);
    assert.match(hung.stdout, /good +: ok=2 +changed=0 +unreachable=0 +failed=0/);
    assert.match(warningOf(hung) ?? '', /^hydrant: 10 events are not sent, .*: not taken within 0.5 s$/);

    const run = controller.start(['slow.yml'], env);
    killed = run;
    await until(
      async () => (await spooled()).length === 2 * PLAY_EVENTS + 2,
      () => `two events more in the spool\n${run.text()}`,
      60_000,
    );
    await slowTask();
    run.signal('SIGKILL');
    await until(() => !isAlive(run.pid), 'the end of the killed run');
    left = await spooled();
    // The killed run's worker lives on; it holds no lock.
    process.kill(server.pid, 'SIGCONT');
    next = await controller.play(['short.yml'], { ...env, ...PATIENT });
  } finally {
    process.kill(server.pid, 'SIGCONT');
    killed?.signal('SIGKILL');
    await endSlowTask();
  }
  assert.equal(next.code, 0, next.stderr);
  assert.equal(warningOf(next), undefined);
  const events = await published('away');
  const ids = [...new Set(events.map(({ event_id }) => event_id))];
  assert.equal(ids.length, 3 * PLAY_EVENTS + 2);
  assert.deepEqual(
    left.filter((id) => !ids.includes(id)),
    [],
  );
  const sessions = [...new Set(events.map(({ session }) => session))];
  assert.equal(sessions.length, 4);
  assert.ok(
    events.slice(-PLAY_EVENTS).every(({ session }) => session === sessions.at(-1)),
    'what was left comes first',
  );
  assert.deepEqual(await spooled(), []);
});

test('of a bus that is killed during the run no numbered event is missing, and repeats have the same id', async () => {
  const numbered = (from: number): { debug: object; loop: number[] } => ({
    debug: { msg: '{{ item }}' },
    loop: Array.from({ length: 60 }, (_, at) => from + at),
  });
  const again = join(controller.path, 'again');
  const loops = [numbered(0), numbered(60)];
  await controller.write('numbered.yml', playbook([loops[0]!, { wait_for: { path: again, sleep: 1 } }, loops[1]!]));
  const set = { 'listeners.http.port': await freePort() };
  await using folder = await createTempFolder();
  const data = join(folder.path, 'data');
  await using first = await startHydrant({ data, set });
  await using run = controller.start(['numbered.yml'], { HYDRANT_URL: first.httpUrl, ...PATIENT });
  await run.line((line) => (line.includes('(item=30)') ? true : undefined), 60_000, 'item 30');
  await first.kill('SIGKILL');
  await using second = await startHydrant({ data, set });
  await controller.write('again', '');
  await within(run.exited, 120_000, () => run.text());
  assert.doesNotMatch(run.stderr, /hydrant: /);
  const events = (await findEvents(second.data, 'ansible/playbook/+/task_items/#')).map(dataOf);
  const numbers = new Map(events.map(({ event_id, ansible_result }) => [event_id, ansible_result.msg]));
  assert.deepEqual(
    [...numbers.values()],
    loops.flatMap(({ loop }) => loop),
  );
});

test('a run that is broken off finishes its play as failed, and says that it was broken off', async () => {
  const run = controller.start(['slow.yml'], { HYDRANT_URL: server.httpUrl, HYDRANT_BASE_TOPIC: 'broken', ...PATIENT });
  try {
    await slowTask();
    run.signal('SIGINT');
    await until(() => !isAlive(run.pid), 'the end of the run', 60_000);
  } finally {
    run.signal('SIGKILL');
    await endSlowTask();
  }
  const events = await findEvents(server.data, 'broken/#');
  assert.deepEqual(
    events.map(({ topic }) => topic.split('/').slice(3).join('/')),
    ['action/start', 'task/good/OK', 'action/finish/FAILED'],
  );
  assert.match(Buffer.from(events.at(-1)!.payload).toString(), /"interrupted": ?true/);
});

test('what does not fit into the spool is counted, told at the end, and told on the bus by an event', async () => {
  const env = { HYDRANT_BASE_TOPIC: 'full', HYDRANT_SPOOL_MAX_BYTES: '1000' };
  const full = await controller.play(['short.yml'], { ...env, HYDRANT_URL: NOBODY });
  assert.equal(full.code, 0, full.stderr);
  const kept = await spooled();
  const lost = PLAY_EVENTS - (kept.length - 1);
  assert.ok(lost > 0 && lost < PLAY_EVENTS, `${lost} lost`);
  assert.match(warningOf(full) ?? '', new RegExp(`${lost} events are lost: the spool is full \\(spool_max_bytes is 1000\\)$`));
  const next = await controller.play(['short.yml'], {
    ...env,
    ...PATIENT,
    HYDRANT_SPOOL_MAX_BYTES: '1000000',
    HYDRANT_URL: server.httpUrl,
  });
  assert.equal(warningOf(next), undefined);
  const [gap, ...more] = await published('full/$gap');
  assert.equal(more.length, 0);
  assert.equal(createEventCheck([GAP_SCHEMA])('source.gap', gap, JSON.stringify(gap)), undefined);
  assert.match(JSON.stringify(gap), new RegExp(`"source": ?"ansible","reason": ?"spool-full".*"detail": ?"${lost} events are lost on `));
});

test('a spool that cannot be written does not keep events from the bus, and is told', async () => {
  const env = { HYDRANT_URL: server.httpUrl, HYDRANT_BASE_TOPIC: 'unwritable', HYDRANT_SPOOL: '/dev/null/spool', ...PATIENT };
  const output = await controller.play(['short.yml'], env);
  assert.equal(output.code, 0, output.stderr);
  assert.equal(warningOf(output), 'hydrant: the spool does not work: /dev/null/spool: Not a directory');
  assert.equal((await published('unwritable')).length, PLAY_EVENTS);
});

test('an event that the bus never takes is set aside, one whose answer is cut off is sent again under its id, and the rest goes on', async () => {
  const taken: string[] = [];
  const asked: string[] = [];
  const answer = (id: string, response: ServerResponse): void => {
    asked.push(id);
    if (asked.length === 1) response.writeHead(413).end('{"error":{"message":"too long"}}');
    else if (asked.length === 2) response.writeHead(503, { 'retry-after': '1' }).end();
    else if (asked.length === 4) response.destroy();
    else {
      taken.push(id);
      response.writeHead(200, { connection: asked.length === 5 ? 'close' : 'keep-alive' }).end('{}');
    }
  };
  const bus = createServer((request, response) => {
    request.resume().on('end', () => answer(String(request.headers['hydrant-id']), response));
  });
  await listen(bus);
  try {
    const url = `http://127.0.0.1:${(bus.address() as AddressInfo).port}`;
    const output = await controller.play(['short.yml'], { HYDRANT_URL: url, ...PATIENT });
    assert.equal(output.code, 0, output.stderr);
    assert.equal(warningOf(output), `hydrant: 1 event is refused, kept in ${controller.spool}/refused.ndjson`);
    const [aside] = (await readFile(join(controller.spool, 'refused.ndjson'), 'utf8')).trim().split('\n');
    const { reason, event } = JSON.parse(aside!);
    assert.equal(reason, '413 too long');
    assert.equal(event.slice(0, 26), asked[0]);
    assert.equal(taken.length, PLAY_EVENTS - 1);
    assert.equal(new Set(asked).size, PLAY_EVENTS);
    assert.deepEqual(await spooled(), []);
  } finally {
    bus.close();
    bus.closeAllConnections();
  }
});

test('a password that is wrong keeps the events, and says so without the password', async () => {
  const bus = createServer((request, response) => {
    const known = `Basic ${Buffer.from('ann:right').toString('base64')}`;
    request
      .resume()
      .on('end', () => response.writeHead(request.headers.authorization === known ? 200 : 401).end('{"error":{"message":"who?"}}'));
  });
  await listen(bus);
  try {
    const place = `127.0.0.1:${(bus.address() as AddressInfo).port}`;
    const wrong = await controller.play(['short.yml'], { HYDRANT_URL: `http://ann:wr%6Fng@${place}` });
    assert.match(warningOf(wrong) ?? '', new RegExp(`^hydrant: 5 events are not sent, .*: http://${place}: 401 who\\?$`));
    const file = await controller.write('password', 'right\n');
    const right = await controller.play(['short.yml'], {
      HYDRANT_URL: `http://${place}`,
      HYDRANT_USER: 'ann',
      HYDRANT_PASSWORD_FILE: file,
      ...PATIENT,
    });
    assert.equal(warningOf(right), undefined);
    assert.deepEqual(await spooled(), []);
  } finally {
    bus.close();
    bus.closeAllConnections();
  }
});

test('the socket of hydrant outbox serve takes the events', async () => {
  await using outbox = await startOutboxServe(join(controller.path, 'outbox'), server.mqttUrl);
  const output = await controller.play(['short.yml'], {
    HYDRANT_URL: String(outbox.ready.listen),
    HYDRANT_BASE_TOPIC: 'socket',
    ...PATIENT,
  });
  assert.equal(output.code, 0, output.stderr);
  assert.equal(warningOf(output), undefined);
  await until(async () => (await published('socket')).length === PLAY_EVENTS, 'the events behind the outbox', 60_000);
});

test('without a bus nothing is published, the run is as it was, and a wrong setting is told', async () => {
  const none = await controller.play(['short.yml'], {});
  assert.equal(none.code, 0, none.stderr);
  assert.equal(warningOf(none), 'hydrant: no events are published: neither HYDRANT_URL nor MQTT_HOSTNAME is set');
  const wrong = await controller.play(['short.yml'], { HYDRANT_URL: 'ftp://ann:secret@bus' });
  assert.equal(wrong.code, 0, wrong.stderr);
  assert.match(warningOf(wrong) ?? '', /^hydrant: no events are published: url 'ftp:\/\/bus': write /);
  const missing = await controller.play(['short.yml'], { HYDRANT_URL: 'http://bus', HYDRANT_PASSWORD_FILE: '/nowhere/password' });
  assert.equal(missing.code, 0, missing.stderr);
  assert.equal(
    warningOf(missing),
    'hydrant: no events are published: HYDRANT_PASSWORD_FILE: /nowhere/password cannot be read: No such file or directory',
  );
});
