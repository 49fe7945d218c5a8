import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '../wire/event.ts';
import { ClientEvents, clientTopic, topicLevel } from './client-events.ts';

function setUp() {
  const place = { isOn: true, nowMs: 0, untold: 0, told: [] as { topic: string; details: Record<string, unknown> }[] };
  const events = new ClientEvents({
    isOn: () => place.isOn,
    nowMs: () => place.nowMs,
    publish: ({ topic, payload }: Event) => void place.told.push({ topic, details: JSON.parse(Buffer.from(payload).toString()) }),
    onUntold: (count) => {
      place.untold += count;
    },
  });
  return { place, events };
}

const ann = { clientId: 'a/1', user: 'ann', remote: '192.0.2.1:5' };

test('an event names its client in topic and payload', () => {
  const { place, events } = setUp();
  events.tell('refused', ann, { reason: 'not-allowed' }, 3);
  assert.deepEqual(place.told, [
    {
      topic: '$hydrant/clients/a%2f1/refused',
      details: { client: 'a/1', user: 'ann', remote: '192.0.2.1:5', reason: 'not-allowed', times: 3 },
    },
  ]);
});

test('ten of a kind are told at once; those beyond as one, ten seconds later, with their number and the last one’s details', () => {
  const { place, events } = setUp();
  for (let i = 0; i < 1000; i++) {
    events.tell('connected', ann, { i });
    events.tell('disconnected', ann, { i });
  }
  events.tell('connected', { clientId: 'b', user: 'bob' });
  assert.equal(place.told.length, 21);
  place.nowMs = 9_999;
  assert.equal(events.tick(), false);
  place.told.length = 0;
  place.nowMs = 10_000;
  assert.equal(events.tick(), true);
  assert.deepEqual(
    place.told.map(({ topic, details }) => [topic, details.i, details.times]),
    [
      ['$hydrant/clients/a%2f1/connected', 999, 990],
      ['$hydrant/clients/a%2f1/disconnected', 999, 990],
    ],
  );
  events.tell('connected', ann, { i: 1000 });
  assert.equal(place.told.at(-1)!.details.i, 1000);
  assert.equal(place.untold, 0);
});

test('held back ones are told in the order in which the last of each happened', () => {
  const { place, events } = setUp();
  for (let i = 0; i < 20; i++) events.tell('disconnected', ann);
  for (let i = 0; i < 20; i++) events.tell('connected', ann);
  events.tell('disconnected', ann);
  place.told.length = 0;
  events.flush();
  assert.deepEqual(
    place.told.map(({ topic, details }) => [topic.split('/').at(-1), details.times]),
    [
      ['connected', 10],
      ['disconnected', 11],
    ],
  );
});

test('many clients together are bounded too: what is too much is counted, and after a while there is room again', () => {
  const { place, events } = setUp();
  for (let i = 0; i < 30_000; i++) events.tell('connected', { clientId: `c${i}`, user: 'anonymous' });
  assert.deepEqual([place.told.length, place.untold], [20_000, 10_000]);
  place.nowMs = 10_000;
  events.tick();
  for (let i = 0; i < 1000; i++) events.tell('connected', { clientId: `d${i}`, user: 'anonymous' });
  assert.deepEqual([place.told.length, place.untold], [20_500, 10_500]);
});

test('switched off it tells nothing and counts nothing', () => {
  const { place, events } = setUp();
  place.isOn = false;
  for (let i = 0; i < 100; i++) events.tell('connected', ann);
  events.flush();
  assert.deepEqual([place.told, place.untold], [[], 0]);
});

test('any client id is one topic level, no two the same, and none too long for a topic', () => {
  assert.equal(topicLevel('plain-1'), 'plain-1');
  assert.equal(topicLevel('a/+#%\0b'), 'a%2f%2b%23%25%00b');
  assert.equal(topicLevel(''), '%');
  const long = 'é%/'.repeat(20_000);
  assert.ok(Buffer.byteLength(topicLevel(long)) < 1000);
  assert.notEqual(topicLevel(long), topicLevel(`${long}x`));
  assert.match(topicLevel(`${'x'.repeat(199)}/`), /^x{199}%\.[0-9a-f]{16}$/);
  assert.ok(topicLevel('😀'.repeat(200)).isWellFormed());
  assert.equal(clientTopic('a b'), '$hydrant/clients/a b');
});
