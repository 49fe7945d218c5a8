import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../../src/testing/random.ts';
import { runChaos } from './run.ts';

const SECONDS = 14;
const EVENTS = 24_000;
const MEAN_MS = 700;
const BROKERS = { hydrant: 'Hydrant', mosquitto: 'Mosquitto' } as const;

for (const broker of ['hydrant', 'mosquitto'] as const) {
  test(`what a client has stored comes, in order and under one id, whatever breaks on the way to ${BROKERS[broker]} (pain 1)`, {
    timeout: 300_000,
  }, async () => {
    const said: string[] = [];
    const random = createRandom(`chaos with ${broker}`);
    const wrong = await runChaos({
      broker,
      random,
      seconds: SECONDS,
      events: EVENTS,
      meanMs: MEAN_MS,
      say: (line) => said.push(line),
    });
    assert.deepEqual(wrong.slice(0, 20), [], `SEED=${random.seed}\n${said.join('\n')}`);
  });
}
