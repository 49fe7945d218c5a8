import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './config.ts';
import { changedKeys } from './config-change.ts';

const load = (sets: string[], data = '/one') => loadConfig({ env: {}, data, sets });

test('names the keys whose value differs, however it was written', () => {
  assert.deepEqual(changedKeys(load([]), load(['journal.rotate.age=60m', 'journal.qos0=true'])), []);
  assert.deepEqual(changedKeys(load(['log.level=debug']), load(['journal.exclude=[a/#]', 'archive.retention.age=7d'])), [
    'journal.exclude',
    'archive.retention.age',
    'log.level',
  ]);
});

test('another data folder counts, wherever it came from', () => {
  assert.deepEqual(changedKeys(load([]), load([], '/two')), ['data']);
});
