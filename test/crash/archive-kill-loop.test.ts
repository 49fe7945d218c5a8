import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HttpFault, startBreakingHttp } from '../../src/testing/breaking-http.ts';
import { Child } from '../../src/testing/child.ts';
import { find, HYDRANT_BIN, runHydrant } from '../../src/testing/hydrant-server.ts';
import { startMosquitto } from '../../src/testing/mosquitto.ts';
import { NumberedPublisher } from '../../src/testing/numbered-publisher.ts';
import { startRadosgw } from '../../src/testing/radosgw.ts';
import { createRandom, type Random } from '../../src/testing/random.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import type { StoredEvent } from '../../src/wire/event.ts';

const ROUNDS = 100;
/** Where the archiver dies in every second round, at one of the first times that it comes there. */
const PLACES = [
  'journal.before-write',
  'journal.before-sync',
  'journal.after-sync',
  'intake.before-note',
  'intake.before-ack',
  'intake.acked',
  'inbox.released',
  'seal.block',
  'seal.written',
  'seal.verified',
  'seal.put',
  'seal.indexed',
  'seal.manifest',
  'seal.hold',
  'seal.trimmed',
  'upload.put',
  'upload.manifest',
  'upload.verified',
  'upload.marked',
  'upload.deleted',
];
/** How long it is waited for that. */
const MOST_MS = 3000;
const FAULTS: HttpFault[] = [
  { kind: 'answer', status: 500 },
  { kind: 'answer', status: 503, code: 'SlowDown' },
  { kind: 'cut-request', afterBytes: 1000 },
  { kind: 'lose-answer' },
  { kind: 'cut-response', afterBytes: 10 },
];

const pick = <T>(random: Random, from: readonly T[]): T => from[random.between(0, from.length - 1)]!;

test(`what a broker gives an archiver that is killed ${ROUNDS} times is in S3: QoS 2 once, QoS 1 at least once`, {
  timeout: 900_000,
}, async () => {
  const random = createRandom('archive kill loop');
  await using folder = await createTempFolder();
  await using mosquitto = await startMosquitto({ config: ['max_queued_messages 0'] });
  await using radosgw = await startRadosgw();
  await using proxy = await startBreakingHttp(radosgw.endpoint);
  const data = join(folder.path, 'data');
  const to = 's3://events/loop';
  const settings: Record<string, string> = {
    'archive.s3.endpoint': proxy.url,
    'archive.s3.accessKeyId': radosgw.accessKeyId,
    'archive.s3.idleTimeout': '2s',
    'journal.rotate.bytes': '64KiB',
    'shutdown.deadline': '60s',
  };
  const env = { HYDRANT_ARCHIVE_S3_SECRET_ACCESS_KEY: radosgw.secretAccessKey };
  const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const start = (crash?: string): Child =>
    new Child(HYDRANT_BIN, ['archive', '--broker', mosquitto.url, '--data', data, '--to', to, '--filter', 'load/#', ...set], {
      env: { ...env, HYDRANT_CRASH: crash },
    });

  {
    await using first = start();
    await isReady(first);
    await first.kill('SIGKILL');
  }
  const publishers = [
    new NumberedPublisher('q1-steady', 1, 10),
    new NumberedPublisher('q1-burst', 1, 100),
    new NumberedPublisher('q2-steady', 2, 10),
    new NumberedPublisher('q2-burst', 2, 50),
  ];
  const runs = publishers.map((publisher, i) => publisher.run(mosquitto.url, i % 2 === 0 ? 20 : 200));

  const died = new Map<string, number>();
  for (let round = 1; round <= ROUNDS; round++) {
    const place = round % 2 === 0 ? pick(random, PLACES) : undefined;
    await using archiver = start(place && `${place}:${random.between(1, 8)}`);
    const lifeMs = place ? MOST_MS : random.between(20, 1500);
    const trouble = random.between(0, 5);
    if (trouble === 0) await frozen(mosquitto.kill, random);
    if (trouble === 1) radosgw.freeze();
    const fault = trouble === 2 ? proxy.inject(pick(random, FAULTS), { times: random.between(1, 10) }) : undefined;
    await Promise.race([archiver.exited, sleep(lifeMs)]);
    if (archiver.exit) died.set(place ?? 'by itself', (died.get(place ?? 'by itself') ?? 0) + 1);
    else await archiver.kill('SIGKILL');
    radosgw.resume();
    fault?.end();
    assert.equal(archiver.exit?.signal, 'SIGKILL', `round ${round}, seed ${random.seed}\n${archiver.text()}`);
  }

  for (const publisher of publishers) publisher.finish();
  await Promise.all(runs);
  for (const publisher of publishers) assert.deepEqual([publisher.acknowledged.size, publisher.failures], [publisher.sent, []]);

  const s3 = ['--from', to, '--endpoint', radosgw.endpoint];
  const keys = { AWS_ACCESS_KEY_ID: radosgw.accessKeyId, AWS_SECRET_ACCESS_KEY: radosgw.secretAccessKey };
  await using last = start();
  await isReady(last);
  await caughtUp(publishers, ['--data', data, ...s3], keys);
  assert.deepEqual(await last.kill('SIGTERM', 120_000), { code: 0, signal: null }, last.text());

  const verified = await runHydrant(['archive', 'verify', ...s3, '-o', 'json'], { env: keys, timeoutMs: 120_000 });
  assert.equal(verified.code, 0, `seed ${random.seed}: ${verified.stdout}${verified.stderr}`);
  const events = await find(['load/#', ...s3], keys);
  const faults = publishers.flatMap((publisher) => [...publisher.check(events), ...unmarkedRepeats(publisher, events)]);
  assert.deepEqual(faults.slice(0, 20), [], `seed ${random.seed}`);
  assert.ok(events.length > 5000, `${events.length} events`);
  console.log(`${events.length} events; died at ${[...died].map(([where, times]) => `${where} ${times}`).join(', ')}`);
});

async function isReady(archiver: Child): Promise<void> {
  await archiver.line((line) => (line.includes('"event":"ready"') ? true : undefined), 30_000, 'its ready line');
}

/** SIGSTOP for a part of the archiver's life. */
async function frozen(kill: (signal: NodeJS.Signals) => Promise<unknown>, random: Random): Promise<void> {
  await sleep(random.between(0, 800));
  await kill('SIGSTOP');
  await sleep(random.between(10, 800));
  await kill('SIGCONT');
}

/** Until the last number of each publisher is in the journal, or in what was sealed of it. */
async function caughtUp(publishers: NumberedPublisher[], place: string[], env: Record<string, string>): Promise<void> {
  const isThere = async ({ topic, sent }: NumberedPublisher): Promise<boolean> =>
    (await find([topic, ...place, '--where', `payload == "${sent - 1}"`], env)).length > 0;
  for (let tries = 0; tries < 120; tries++) {
    if ((await Promise.all(publishers.map(isThere))).every(Boolean)) return;
    await sleep(500);
  }
  assert.fail('the archiver did not get what the broker had for it');
}

/** At QoS 1 an event may be there again, but then it says so. */
function unmarkedRepeats({ name, topic, qos }: NumberedPublisher, events: StoredEvent[]): string[] {
  const seen = new Set<string>();
  const faults: string[] = [];
  for (const event of events) {
    if (event.topic !== topic || qos !== 1) continue;
    const number = event.payload.toString();
    if (seen.has(number) && !event.dup) faults.push(`${name}: event ${number} is there again without a mark`);
    seen.add(number);
  }
  return faults;
}
