import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSchemas } from './find-schema.ts';

const names = (topic: string): string[] => findSchemas(topic).map(({ name }) => name);

test('of several schemas that fit a topic, the one that says most of it comes first', () => {
  assert.deepEqual(names('github/octo/boxes/push').slice(0, 2), ['webhook.github-push', 'webhook.github-event']);
  assert.deepEqual(names('gearman-subunit/worker-1/openstack/nova/17/total'), ['subunit.total', 'subunit.build']);
  assert.equal(names('launchpad/octavia/bug/1680938')[0], 'launchpad.bug');
});

test('a project has as many levels as it has, or none', () => {
  for (const project of ['nova/', 'openstack/nova/', 'a/b/c/d/e/', ''])
    assert.deepEqual(names(`gerrit/${project}comment-added`), ['gerrit.comment-added'], project);
});

test('under a base that somebody chose, an event is known by the levels of its own', () => {
  assert.deepEqual(names('sites/north/review/openstack/nova/comment-added'), ['gerrit.comment-added']);
  assert.deepEqual(names('north/$gap'), ['source.gap']);
  assert.deepEqual(names('github/octo/boxes/$gap'), ['source.gap']);
  for (const none of ['plant/1/temperature', 'x', '', '/', '$SYS/broker/uptime']) assert.deepEqual(names(none), [], none);
});

test('a topic of as many levels as MQTT allows is answered', () => {
  assert.deepEqual(names(`${'a/'.repeat(32_000)}b`), []);
  assert.deepEqual(names(`gerrit/${'a/'.repeat(30_000)}comment-added`), ['gerrit.comment-added']);
});
