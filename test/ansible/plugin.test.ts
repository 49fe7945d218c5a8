import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { eventId } from '../../src/sources/event-id.ts';
import { escapeLevel, escapeLevels } from '../../src/sources/topic.ts';
import { createController, PLUGIN_FOLDER, PYTHON } from '../../src/testing/ansible.ts';
import { run } from '../../src/testing/child.ts';

const PYTHON_ENV = { PYTHONDONTWRITEBYTECODE: '1', PYTHONPATH: PLUGIN_FOLDER };
const TIMEOUT_MS = 120_000;
const VECTORS = [
  'nova-compute_1.2~rc1',
  'a/b+c#d%e\0f',
  '..',
  '.',
  '$SYS',
  'a$',
  '/../etc//passwd/',
  '',
  '\u0085\u007f',
  '🐙'.repeat(400),
  '%'.repeat(900),
];

test('the parts of the plugin keep what they promise on their own', async () => {
  const file = fileURLToPath(new URL('hydrant_test.py', import.meta.url));
  const { code, stderr } = await run(PYTHON, [file], { env: PYTHON_ENV, timeoutMs: TIMEOUT_MS });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Ran [1-9]\d+ tests/);
});

test('topics and ids are those that the other sources make', async () => {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  console.error(`seed ${seed}`);
  const texts = [...VECTORS, ...fc.sample(fc.string({ unit: 'binary', maxLength: 1500 }), { numRuns: 300, seed })];
  const script = `import sys, json, hydrant
def f(text):
    return [hydrant.escape_level(text), hydrant.escape_levels(text), hydrant.event_id(1700000000123, 'run', hydrant.well_formed(text))]
json.dump([f(text) for text in json.load(sys.stdin)], sys.stdout)`;
  const output = await run(PYTHON, ['-c', script], { env: PYTHON_ENV, input: JSON.stringify(texts), timeoutMs: TIMEOUT_MS });
  assert.equal(output.code, 0, output.stderr);
  const ours = texts.map((text) => [escapeLevel(text), escapeLevels(text), eventId(1700000000123, 'run', text.toWellFormed())]);
  assert.deepEqual(JSON.parse(output.stdout), ours);
});

test('ansible-doc shows the plugin and its settings', async () => {
  await using controller = await createController('{}');
  const env = { HOME: controller.home, ANSIBLE_CONFIG: `${controller.path}/ansible.cfg`, ANSIBLE_PAGER: 'cat', ...PYTHON_ENV };
  const { code, stdout, stderr } = await run('ansible-doc', ['-t', 'callback', 'hydrant'], { env, timeoutMs: TIMEOUT_MS });
  assert.equal(code, 0, stderr);
  for (const name of ['HYDRANT_URL', 'HYDRANT_SPOOL', 'MQTT_HOSTNAME', 'callback_hydrant']) assert.ok(stdout.includes(name), name);
});
