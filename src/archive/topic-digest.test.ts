import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchFilter } from '../wire/topic.ts';
import { mayMatch, TopicCollector } from './topic-digest.ts';

function digestOf(topics: Iterable<string>) {
  const collector = new TopicCollector();
  for (const topic of topics) collector.add(topic);
  return collector.digest();
}

const many = Array.from({ length: 5000 }, (_, i) => `site/${i % 50}/device/${i}/temp`);

test('few topics are listed, sorted, each once', () => {
  assert.deepEqual(digestOf(['b', 'a/x', 'b', 'ü']), { list: ['a/x', 'b', 'ü'] });
});

test('past a thousand topics, or when they are long, a Bloom filter takes the place of the list', () => {
  assert.ok('list' in digestOf(many.slice(0, 1000)));
  assert.ok('bloom' in digestOf(many.slice(0, 1001)));
  assert.ok('bloom' in digestOf(Array.from({ length: 20 }, (_, i) => `${i}/${'x'.repeat(20_000)}`)));
});

test('a filter that matches a topic is never ruled out, listed or not', () => {
  const digests = [digestOf(many), digestOf([...many, 'a', 'a/b', '$sys/x', '/', '//', 'ü/é'])];
  const level = fc.constantFrom('site', '7', 'device', '57', 'temp', '+', 'a', 'b', 'ü');
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 5 }), fc.boolean())
    .map(([levels, open]) => (open ? [...levels, '#'] : levels).join('/'));
  fc.assert(
    fc.property(fc.oneof(filter, fc.constantFrom('#', '$sys/#', '/#', '//', 'a/#', 'a/b/#', 'ü/+')), (wanted) => {
      const topics = [...many, 'a', 'a/b', '$sys/x', '/', '//', 'ü/é'];
      if (topics.some((topic) => matchFilter(wanted, topic))) assert.ok(mayMatch(digests[1]!, [wanted]), wanted);
      if (many.some((topic) => matchFilter(wanted, topic))) assert.ok(mayMatch(digests[0]!, ['none', wanted]), wanted);
    }),
  );
  assert.ok(mayMatch(digests[0]!, []));
});

test('most filters that match nothing are ruled out, and the filter is small', () => {
  const digest = digestOf(many);
  assert.ok('bloom' in digest);
  assert.ok(digest.bloom.length < 40_000, `${digest.bloom.length} characters for 5 000 topics`);
  const wrong = Array.from({ length: 1000 }, (_, i) => `other/${i}/+/x`).filter((filter) => mayMatch(digest, [filter]));
  const exact = Array.from({ length: 1000 }, (_, i) => `site/1/device/${i}/none`).filter((filter) => mayMatch(digest, [filter]));
  assert.ok(wrong.length + exact.length < 60, `${wrong.length} and ${exact.length} of 1000 each`);
});

test('memory and manifest stay bounded whatever the number of topics', () => {
  const collector = new TopicCollector();
  for (let i = 0; i < 200_000; i++) collector.add(`t/${i}`);
  const digest = collector.digest();
  assert.ok('bloom' in digest && digest.bloom.length <= 180_000);
  assert.ok(mayMatch(digest, ['t/199999']));
});

test('the filter is the one that docs/reference/archive-format.md describes', () => {
  const digest = digestOf([...many, 'ü/é']);
  assert.ok('bloom' in digest);
  const bits = Buffer.from(digest.bloom, 'base64');
  // Computed by a program written in another language from that description.
  assert.equal(bits.length, 16384);
  assert.equal(createHash('sha256').update(bits).digest('hex'), 'fa98d33a34857457bbdb419a57ea2ad4d276376804cbe7fbfb50f234c99b8bd0');
});
