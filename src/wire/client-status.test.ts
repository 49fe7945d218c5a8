import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientStatus, readStatus, statusTopic } from './client-status.ts';

const status: ClientStatus = {
  client: 'plant/7+a%',
  version: '1.2.3',
  depth: 3,
  bytes: 300,
  oldestAgeMs: 1500,
  dropped: 0,
  quarantined: 1,
  since: '2026-11-21T10:00:00.000Z',
};
const topic = statusTopic(status.client);
const read = (value: unknown, at = topic): ClientStatus | undefined =>
  readStatus({ topic: at, payload: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)) });

test('a status is read from the topic of its client', () => {
  assert.equal(topic, 'hydrant/status/plant%2F7%2Ba%25');
  assert.deepEqual(read(status), status);
});

test('what is no status is none', () => {
  for (const value of ['', 'hello', 'null', '[]', '7', '{}', `{"client":`, '\u0000', `"${'x'.repeat(70_000)}"`])
    assert.equal(read(value), undefined);
  for (const key of Object.keys(status)) assert.equal(read({ ...status, [key]: undefined }), undefined, key);
  for (const key of Object.keys(status)) assert.equal(read({ ...status, [key]: { toString: 1 } }), undefined, key);
  assert.equal(read({ ...status, depth: -1 }), undefined);
  assert.equal(read({ ...status, client: 'other' }), undefined, 'of somebody else');
});
