import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTopic } from './topic-cache.ts';

test('each topic is read as it stands in the packet, however many others came before and whatever they have in common', () => {
  const plain = Array.from({ length: 5000 }, (_, i) => `site/${i % 50}/sensor/${i}`);
  const topics = [...plain, ...plain.map((topic) => `${topic}é`), 'é', '😀/a', 'Ã©', 'x'.repeat(97), `${'x'.repeat(96)}y`];
  for (const round of [1, 2]) {
    for (const topic of topics) {
      const frame = Buffer.from(`ab${topic}cd`);
      assert.equal(readTopic(frame, 2, frame.length - 2), topic, `round ${round}`);
    }
  }
});
