// One series of bench/outbox.ts in a process of its own, as a user's program: the compiled package under plain Node. Its argument is the
// task as JSON; what it measured is the line that it prints.
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const PAYLOAD = Buffer.alloc(100, 'x');
const TOPICS = Array.from({ length: 100 }, (_, i) => `bench/t${i}`);
/** Nobody listens there. */
const NOWHERE = 'mqtt://127.0.0.1:9';
const WARM_UP_MS = 1000;
/** Latencies are counted in steps of so much, the last step for all that took longer: what measures should weigh little. */
const STEP_MS = 0.1;
const STEPS = 100_000;
/** More than is published. */
const UNBOUNDED = 100_000_000;
const PATIENCE_MS = 120_000;

const task = JSON.parse(process.argv[2]);
const series = { stored, acked, mqttjs, fill, backlog, sqlite };
const figures = await series[task.series](task);
const peakMb = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
console.log(JSON.stringify({ ...figures, peakMb }));

/** Events a second that are on disk, nothing else in the process but a client that finds no server. */
async function stored({ outbox, seconds, outstanding }) {
  const { openClient } = await import('hydrant/client');
  const client = await openClient({ outbox, url: NOWHERE, channels: { events: { maxEvents: UNBOUNDED } } });
  const figures = await pump(seconds, outstanding, (topic) => client.publish({ topic, payload: PAYLOAD }).stored);
  await client.close({ deadlineMs: 0 });
  return figures;
}

/** Events a second that the server has acknowledged, each from `publish()` to `acked`. */
async function acked({ outbox, url, seconds, outstanding }) {
  const { openClient } = await import('hydrant/client');
  const client = await openClient({ outbox, url });
  const figures = await pump(seconds, outstanding, (topic) => client.publish({ topic, payload: PAYLOAD }).acked);
  await client.close();
  return figures;
}

/** The same with MQTT.js, which keeps in memory what is not acknowledged. */
async function mqttjs({ url, seconds, outstanding }) {
  const { connectAsync } = await import('mqtt');
  const client = await connectAsync(url, { protocolVersion: 5 });
  const figures = await pump(seconds, outstanding, (topic) => client.publishAsync(topic, PAYLOAD, { qos: 1 }));
  await client.endAsync();
  return figures;
}

/** Makes a backlog. */
async function fill({ outbox, events }) {
  const { openClient } = await import('hydrant/client');
  const client = await openClient({ outbox, url: NOWHERE, channels: { events: { maxEvents: events } } });
  for (let left = events; left > 0; left -= 5000) {
    const some = Array.from({ length: Math.min(5000, left) }, (_, i) =>
      client.publish({ topic: TOPICS[i % TOPICS.length], payload: PAYLOAD }),
    );
    await Promise.all(some.map(({ stored }) => stored));
  }
  await client.close({ deadlineMs: 0 });
  return {};
}

/** Opens on a backlog and sends it all, while another channel has some live events a second. */
async function backlog({ outbox, url, events, perSecond }) {
  const { openClient } = await import('hydrant/client');
  const startMs = performance.now();
  const client = await openClient({ outbox, url, channels: { events: { maxEvents: events } } });
  const openMs = performance.now() - startMs;
  await client.publish({ topic: TOPICS[0], payload: PAYLOAD, channel: 'live' }).stored;
  const readyMs = performance.now() - startMs;
  const left = () => client.metrics().channels.events.events;
  const live = createTimes();
  let begin;
  let due = performance.now();
  for (let remaining = left(); remaining > 0; remaining = left()) {
    const nowMs = performance.now();
    if (nowMs - startMs > PATIENCE_MS) throw new Error(`${remaining} of ${events} events are left`);
    // Caches, compiled code and the connection.
    if (!begin && remaining < events * 0.95) begin = { remaining, ms: nowMs };
    for (; due <= nowMs; due += 1000 / perSecond) {
      const sinceMs = performance.now();
      client.publish({ topic: TOPICS[1], payload: PAYLOAD, channel: 'live' }).acked.then(() => live.add(performance.now() - sinceMs));
    }
    await sleep(Math.max(0, due - performance.now()));
  }
  const drainedPerSecond = begin.remaining / ((performance.now() - begin.ms) / 1000);
  await client.close();
  return { openMs, readyMs, drainedPerSecond, liveP50Ms: live.quantile(0.5), liveP99Ms: live.quantile(0.99), live: live.count };
}

/** What SQLite does in one thread: rows of the same size in transactions of the same size, each synced to the disk. */
async function sqlite({ outbox, seconds }) {
  const db = new DatabaseSync(`${outbox}.db`);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 500');
  db.exec('CREATE TABLE events (seq INTEGER PRIMARY KEY, stored_ms INTEGER NOT NULL, record BLOB NOT NULL)');
  const [rows, transaction] = [16, 4096];
  const insert = db.prepare(`INSERT INTO events VALUES (?, ?, ?)${', (?, ?, ?)'.repeat(rows - 1)}`);
  const record = Buffer.alloc(PAYLOAD.length + 38, 'x');
  let seq = 0;
  const startMs = performance.now();
  while (performance.now() - startMs < seconds * 1000) {
    db.exec('BEGIN');
    for (let i = 0; i < transaction; i += rows) insert.run(...Array.from({ length: rows }, () => [++seq, startMs, record]).flat());
    db.exec('COMMIT');
  }
  const perSecond = seq / ((performance.now() - startMs) / 1000);
  db.close();
  return { perSecond };
}

/** Keeps so many outstanding; counts those that settle after the warm-up. */
async function pump(seconds, outstanding, publish) {
  const startMs = performance.now();
  const [fromMs, toMs] = [startMs + WARM_UP_MS, startMs + WARM_UP_MS + seconds * 1000];
  const times = createTimes();
  let count = 0;
  let open = 0;
  const { promise, resolve, reject } = Promise.withResolvers();
  const fill = () => {
    const nowMs = performance.now();
    for (; open < outstanding && nowMs < toMs; open++) {
      publish(TOPICS[count++ % TOPICS.length]).then(() => settle(nowMs), reject);
    }
    if (open === 0) resolve();
  };
  let isScheduled = false;
  const settle = (sinceMs) => {
    open--;
    const nowMs = performance.now();
    if (nowMs >= fromMs && nowMs < toMs) times.add(nowMs - sinceMs);
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      fill();
    });
  };
  fill();
  await promise;
  return { perSecond: times.count / seconds, p50Ms: times.quantile(0.5), p99Ms: times.quantile(0.99) };
}

function createTimes() {
  const steps = new Uint32Array(STEPS);
  return {
    count: 0,
    add(ms) {
      this.count++;
      steps[Math.min(STEPS - 1, Math.floor(ms / STEP_MS))]++;
    },
    quantile(share) {
      const rank = Math.floor(this.count * share);
      let seen = 0;
      const at = steps.findIndex((count) => {
        seen += count;
        return seen > rank;
      });
      return (at + 0.5) * STEP_MS;
    },
  };
}
