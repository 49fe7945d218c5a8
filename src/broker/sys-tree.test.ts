import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStatistics } from './statistics.ts';
import { SysTree } from './sys-tree.ts';

const CONNECTED = '$SYS/broker/clients/connected';

function setUp(intervalMs = 10_000) {
  const statistics = createStatistics();
  const place = { statistics, intervalMs, readers: true, published: new Map<string, string>() };
  const tree = new SysTree(
    {
      intervalMs: () => place.intervalMs,
      read: () => ({ statistics, version: '1.2.3', journal: { events: 3, bytes: 400, head: 9 } }),
      hasReaders: () => place.readers,
      publish: ({ topic, payload }) => void place.published.set(topic, payload.toString()),
    },
    0,
  );
  const tick = (nowMs: number): Map<string, string> => {
    place.published = new Map();
    tree.tick(nowMs);
    return place.published;
  };
  const values = (filter: string, nowMs: number) =>
    new Map(tree.match(filter, nowMs).map(({ topic, payload }) => [topic, payload.toString()]));
  return { place, tree, tick, values };
}

test('readers get everything first, and then what has changed', () => {
  const { place, tick } = setUp();
  const all = tick(10_000);
  assert.equal(all.get('$SYS/broker/version'), 'hydrant version 1.2.3');
  assert.equal(all.get('$SYS/broker/uptime'), '10 seconds');
  assert.equal(all.get(CONNECTED), '0');
  assert.equal(all.get('$SYS/hydrant/journal/head'), '9');
  assert.deepEqual(tick(15_000), new Map(), 'not before its time');
  place.statistics.connected = 2;
  const changed = tick(20_000);
  assert.equal(changed.get(CONNECTED), '2');
  assert.equal(changed.get('$SYS/broker/uptime'), '20 seconds');
  assert.ok(!changed.has('$SYS/broker/version') && !changed.has('$SYS/broker/bytes/sent'));
});

test('a new subscription gets the values that others have, with RETAIN set', () => {
  const { place, tree, tick, values } = setUp();
  tick(10_000);
  place.statistics.connected = 5;
  assert.equal(values('$SYS/broker/clients/+', 12_000).get(CONNECTED), '0');
  assert.equal(tick(20_000).get(CONNECTED), '5');
  assert.ok(tree.match(CONNECTED, 21_000).every(({ retain, qos, seq }) => retain && qos === 0 && seq === 0));
  assert.equal(values('a/#', 21_000).size, 0);
});

test('who comes after a time without readers gets values of now, and whatever changes from there', () => {
  const { place, tick, values } = setUp();
  tick(10_000);
  place.readers = false;
  place.statistics.connected = 7;
  assert.equal(tick(20_000).size, 0);
  assert.equal(values('$SYS/#', 22_000).get(CONNECTED), '7');
  place.readers = true;
  place.statistics.connected = 0;
  assert.equal(tick(30_000).get(CONNECTED), '0');
});

test('with an interval of 0 there is nothing, until it is switched on again', () => {
  const { place, tick, values } = setUp(0);
  assert.equal(tick(60_000).size, 0);
  assert.equal(values('$SYS/#', 61_000).size, 0);
  place.intervalMs = 1000;
  assert.ok(tick(62_000).has(CONNECTED));
});

test('loads count while nobody reads', () => {
  const { place, tick, values } = setUp();
  place.readers = false;
  place.statistics.connectsTotal = 6;
  tick(60_000);
  place.statistics.connectsTotal = 12;
  tick(120_000);
  assert.equal(
    values('$SYS/broker/load/connections/1min', 121_000).get('$SYS/broker/load/connections/1min'),
    (6 * (1 - Math.exp(-2))).toFixed(2),
  );
});

test('every topic can become the name of a metric, each another one', () => {
  const { place, values } = setUp();
  place.statistics.refused = { 'not-allowed': 2, 'journal full (again)': 1 };
  const topics = [...values('$SYS/#', 0).keys()];
  const names = topics.map((topic) => topic.replace('$SYS/', '').replace(/[/ ]/g, '_'));
  for (const name of names) assert.match(name, /^[a-z][a-z0-9_]*$/);
  assert.equal(new Set(names).size, topics.length);
  assert.ok(topics.includes('$SYS/hydrant/refused/reasons/not_allowed'));
});
