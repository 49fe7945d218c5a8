import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { readContent } from './s3-content.ts';

test('what would have more than the 10 000 parts that S3 takes goes up in larger ones', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'large');
  await writeFile(path, Buffer.alloc(25_000, 1));
  for (const body of [{ path }, Buffer.alloc(25_000, 1)]) {
    const { etag, partBytes } = await readContent(body, 2);
    assert.equal(partBytes, 3);
    assert.match(etag, /-8334$/);
  }
  assert.equal((await readContent({ path }, 3000)).partBytes, 3000);
});
