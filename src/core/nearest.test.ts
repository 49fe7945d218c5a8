import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.ts';

const keys = ['port', 'host', 'enabled', 'maxBacklogBytes', 'level', 'format'];

test('finds what a typing mistake meant: a letter too many, missing, wrong or swapped, another case', () => {
  assert.equal(nearest('prot', keys), 'port');
  assert.equal(nearest('ports', keys), 'port');
  assert.equal(nearest('hst', keys), 'host');
  assert.equal(nearest('Enabled', keys), 'enabled');
  assert.equal(nearest('maxBacklogByte', keys), 'maxBacklogBytes');
  assert.equal(nearest('lvl', keys), 'level');
});

test('a part of a long word is close to it', () => {
  assert.equal(nearest('backlogbytes', keys), 'maxBacklogBytes');
});

test('nothing is suggested for a word that is like none of them', () => {
  assert.equal(nearest('quux', keys), undefined);
  assert.equal(nearest('x', ['ab', 'cd']), undefined);
  assert.equal(nearest('anything', []), undefined);
});
