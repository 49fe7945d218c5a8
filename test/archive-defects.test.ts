import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** What lost or spoilt events in the program that archiving here grew from. A test that holds us to one of them ends its title with the number. */
const DEFECTS = [
  'no exclusion excludes everything, and a bad regular expression ends the program',
  'acknowledged before it is on disk',
  'a stop loses what is queued, or hangs',
  'an event that cannot be written is logged and dropped',
  'the source is deleted before the compressed file is closed',
  'files that are somebody else’s are compressed, uploaded and deleted',
  'a day in the bucket is overwritten',
  'no subscription after a lost session',
  'what was queued before the start is never acknowledged',
  'nine attempts, then nothing; one bad file blocks the rest',
  'QoS 2 is at least once and out of order',
  'a torn line spoils the next one and ends the replay',
  'a compressed day is looked for under a name that nothing has',
  'local compressed days, long lines, exact times, filters and pace are not for its replay',
  'a content type that does not exist',
  'files that everybody may read; keys in the configuration alone; no region, prefix, encryption',
];

test('each defect of the archiver that this one grew from has a test that is named after it', () => {
  const files = globSync('{src,test}/**/*.test.ts', { cwd: new URL('..', import.meta.url).pathname });
  const named = new Set<number>();
  for (const file of files) {
    const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
    for (const [, numbers] of text.matchAll(/^\s*\w*test\w*\([\s\S]{0,300}?\(archive defects? ([\d, and]+)\)/gm)) {
      for (const number of numbers!.match(/\d+/g)!) named.add(Number(number));
    }
  }
  assert.deepEqual(
    DEFECTS.filter((_, i) => !named.has(i + 1)),
    [],
  );
});
