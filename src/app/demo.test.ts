import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '../wire/event.ts';
import { topicFault } from '../wire/topic.ts';
import { createRandom, nextDemoEvent } from './demo-events.ts';

function events(seed: number, count: number): Event[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, i) => nextDemoEvent(random, 1_763_700_000_000 + i));
}

test('the same seed gives the same events, another seed others', () => {
  assert.deepEqual(events(7, 50), events(7, 50));
  assert.notDeepEqual(events(7, 50), events(8, 50));
});

test('every kind of publisher shows up, some events are retained, and all are JSON on topics that can be published to', () => {
  const many = events(1, 2000);
  for (const { topic, payload } of many) {
    assert.equal(topicFault(topic), undefined, topic);
    assert.equal(typeof JSON.parse(Buffer.from(payload).toString()), 'object');
  }
  for (const pattern of [
    /^gerrit\/openstack\/nova\/comment-added$/,
    /\/change-merged$/,
    /^launchpad\/octavia\/bug\/168\d{4}$/,
    /^ansible\/playbook\/[0-9a-f-]{36}\/task\/web01\/OK$/,
    /^gearman-subunit\/worker\d\//,
    /^devices\/roof\/telemetry$/,
  ]) {
    assert.ok(
      many.some(({ topic }) => pattern.test(topic)),
      String(pattern),
    );
  }
  assert.deepEqual([...new Set(many.map(({ qos }) => qos))].sort(), [0, 1]);
  const retained = many.filter(({ retain }) => retain);
  assert.ok(retained.length > 50 && retained.every(({ topic }) => /^devices\/\w+\/state$/.test(topic)));
});
