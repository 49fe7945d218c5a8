import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { createGzip, gzipSync } from 'node:zlib';
import { startFileServer } from '../../testing/file-server.ts';
import { type DownloadOptions, download } from './download.ts';

async function fetchText(sourceUrl: string, options: Partial<DownloadOptions & { retry: boolean }> = {}): Promise<string> {
  const { retry = false, ...rest } = options;
  const all = { maxBytes: 10_000, timeoutMs: 20_000, retryForMs: 0, signal: new AbortController().signal, random: () => 0, ...rest };
  return download({ sourceUrl, retry }, all, async (bytes) => {
    const pieces: Buffer[] = [];
    for await (const piece of bytes) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  });
}

test('a file is had however it is packed: as a file, on the way, both, in parts, or not', async () => {
  const packedTwice = (_: IncomingMessage, response: ServerResponse) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(gzipSync('both')));
  await using web = await startFileServer({
    '/file.gz': gzipSync('file'),
    '/way.gz': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('way')),
    '/both.gz': packedTwice,
    '/parts.gz': Buffer.concat([gzipSync('one '), gzipSync('two')]),
    '/plain': 'plain',
    '/empty': '',
    '/byte': '\x1f',
  });
  for (const [path, text] of Object.entries({
    file: 'file',
    way: 'way',
    both: 'both',
    parts: 'one two',
    plain: 'plain',
    empty: '',
    byte: '\x1f',
  }))
    assert.equal(await fetchText(`${web.url}/${path}`), text, path);
});

test('the suffix goes to the path and the level to the query', async () => {
  await using web = await startFileServer({ '/log': 'x' });
  await fetchText(`${web.url}/log?a=1`, { level: 'INFO' });
  assert.deepEqual(web.asked, ['/log.gz?a=1&level=INFO', '/log?a=1&level=INFO']);
});

test('redirects are followed, a few, and to the web only', async () => {
  const to = (location: string) => (_: IncomingMessage, response: ServerResponse) => response.writeHead(302, { location }).end();
  await using web = await startFileServer({
    '/a': to('/b'),
    '/b': to('c'),
    '/c': 'there',
    '/loop': to('/loop'),
    '/out': to('file:///etc/passwd'),
  });
  assert.equal(await fetchText(`${web.url}/a`), 'there');
  await assert.rejects(fetchText(`${web.url}/loop`), { reason: 'a file is not there', message: /more than 5 redirects/ });
  await assert.rejects(fetchText(`${web.url}/out`), { reason: 'an address is neither http nor https' });
});

test('a bomb is left as soon as it passes the bound, packed as a file or on the way', async () => {
  let isClosed = Promise.withResolvers<void>();
  const bomb = (headers: Record<string, string>) => (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, headers).once('close', isClosed.resolve);
    const gzip = createGzip();
    gzip.pipe(response);
    const feed = (): void => {
      if (!response.destroyed) gzip.write(Buffer.alloc(2 ** 20), () => setImmediate(feed));
    };
    feed();
  };
  await using web = await startFileServer({ '/file.gz': bomb({}), '/way.gz': bomb({ 'content-encoding': 'gzip' }) });
  for (const path of ['file', 'way']) {
    isClosed = Promise.withResolvers();
    await assert.rejects(fetchText(`${web.url}/${path}`, { maxBytes: 2 ** 22, retry: true, retryForMs: 60_000 }), {
      reason: 'a file is too large',
      message: /more than 4MiB/,
    });
    await isClosed.promise;
  }
  assert.deepEqual(web.asked, ['/file.gz', '/way.gz']);
});

test('what is damaged, cut off or late is a fault of the job, and the plain file is tried', async () => {
  const packed = gzipSync('text '.repeat(100));
  await using web = await startFileServer({
    '/damaged.gz': Buffer.concat([packed.subarray(0, -8), Buffer.alloc(8)]),
    '/cut.gz': packed.subarray(0, 20),
    '/cut': 'plain one',
    '/broken': (_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    },
    '/late': (_, response) => void response.write('half'),
  });
  assert.equal(await fetchText(`${web.url}/cut`), 'plain one');
  await assert.rejects(fetchText(`${web.url}/damaged`), { reason: 'a file is not there', message: /damaged\.gz: incorrect data check/ });
  await assert.rejects(fetchText(`${web.url}/broken`), { reason: 'a file could not be read' });
  await assert.rejects(fetchText(`${web.url}/late`, { timeoutMs: 100 }), { reason: 'a file took too long' });
  await assert.rejects(fetchText('http://127.0.0.1:1/x'), { reason: 'a file could not be read' });
});

test('an abort is no fault of the job, neither while it reads nor between attempts', async () => {
  const abort = new AbortController();
  await using web = await startFileServer({ '/late': (_, response) => response.write('half', () => abort.abort(new Error('stopped'))) });
  await assert.rejects(fetchText(`${web.url}/late`, { signal: abort.signal }), { message: 'stopped' });
  const waiting = new AbortController();
  web.files.set('/none', (_, response) => {
    response.writeHead(404).end(() => setImmediate(() => waiting.abort(new Error('stopped'))));
  });
  await assert.rejects(fetchText(`${web.url}/none`, { signal: waiting.signal, retry: true, retryForMs: 1e9, random: () => 1 }), {
    message: 'stopped',
  });
});

test('what the reader throws is its own', async () => {
  await using web = await startFileServer({ '/x': 'x' });
  const options = { maxBytes: 100, timeoutMs: 1e6, retryForMs: 1e6, signal: new AbortController().signal, random: () => 0 };
  const reading = download({ sourceUrl: `${web.url}/x`, retry: true }, options, async (bytes) => {
    for await (const _ of bytes) throw new Error('the bus is away');
  });
  await assert.rejects(reading, { message: 'the bus is away' });
});
