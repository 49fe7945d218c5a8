import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { until } from '../../testing/deadline.ts';
import { githubHeaders, JSON_HEADERS, RawHttp, startWebhook, type WebhookHarness } from '../../testing/webhooks.ts';
import { RequestBodies } from './request-body.ts';

const ANY = { preset: 'generic', unsigned: true };
const OK = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}';

/** It still takes what is right. */
async function works(hook: WebhookHarness): Promise<void> {
  const before = hook.source.events.length;
  assert.equal((await hook.post('{}')).status, 202);
  await hook.source.seen(before + 1);
}

test('a wrong method, path, content type and encoding each have their answer, and GET says what it is without a secret', async () => {
  await using hook = await startWebhook({ preset: 'github', secret: 'very secret', path: '/in', maxBody: 2000 });
  const url = `${await hook.url()}/in`;
  const body = '{"a":1}';
  const headers = { ...JSON_HEADERS, ...githubHeaders('very secret', body, 'd') };
  const get = await fetch(url);
  const text = await get.text();
  assert.deepEqual([get.status, JSON.parse(text)], [200, { status: 'ok', takes: 'POST /in', preset: 'github' }]);
  assert.ok(!text.includes('very secret'));
  assert.deepEqual([(await fetch(url, { method: 'HEAD' })).status, (await fetch(`${url}?x=1`)).status], [200, 200]);
  const put = await fetch(url, { method: 'PUT', body, headers });
  assert.deepEqual([put.status, put.headers.get('allow')], [405, 'GET, HEAD, POST']);
  assert.equal((await hook.post(body, headers, '/in/')).status, 404);
  assert.equal((await hook.post(body, { ...headers, 'content-type': 'text/xml' }, '/in')).status, 415);
  const packed = gzipSync(body);
  const zipped = await hook.post(packed, { ...headers, ...githubHeaders('very secret', packed, 'd'), 'content-encoding': 'gzip' }, '/in');
  assert.deepEqual([zipped.status, zipped.headers.get('accept-encoding')], [415, 'identity']);
  const large = JSON.stringify('x'.repeat(2000));
  assert.equal((await hook.post(large, githubHeaders('very secret', large, 'd'), '/in')).status, 413);
  assert.equal((await hook.post(body, { ...headers, origin: 'https://evil.example' }, '/in')).status, 403);
  assert.equal((await hook.post(body, headers, '/in')).status, 202);
  assert.deepEqual(Object.keys(hook.refused()).sort(), [
    'a body is compressed',
    'a body is of another content type',
    'a body is too large',
    'a browser sent it',
    'there is no hook on this path',
  ]);
});

test('who sent what is refused is in the log, also of what hung up, and the path where there is no hook, without the token behind it', async () => {
  await using hook = await startWebhook(ANY);
  const url = await hook.url();
  await hook.post('{}', {}, `/gerrit/${'x'.repeat(300)}?token=hush`);
  {
    using raw = new RawHttp(url);
    raw.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n');
    await raw.answers(1);
  }
  using raw = new RawHttp(url);
  raw.write('\x16\x03\x01\r\n\r\n');
  await until(() => Object.keys(hook.refused()).length === 3, 'all to be refused');
  const told = hook.source.logged.filter(({ level }) => level === 'warn');
  assert.deepEqual(
    told.map(({ message, fields: { from, path } }) => [message, from, path]),
    [
      ['there is no hook on this path', '127.0.0.1', `/gerrit/${'x'.repeat(192)}`],
      ['a body ended before its time', '127.0.0.1', '/'],
      ['a request is no HTTP', '127.0.0.1', undefined],
    ],
  );
});

test('what is signed and no JSON object is refused and counted: 400', async () => {
  await using hook = await startWebhook({ preset: 'github', secret: 's' });
  const bodies = ['', '{', '[]', 'null', '"x"', '{"a":1}x', `${'['.repeat(200_000)}`];
  for (const body of bodies) assert.equal((await hook.post(body, githubHeaders('s', body, 'd'))).status, 400, body.slice(0, 9));
  assert.deepEqual(hook.refused(), { 'a body is no JSON': 4, 'a body is no JSON object': 3 });
  const unnamed = { 'x-hub-signature-256': githubHeaders('s', '{}', 'd')['x-hub-signature-256']! };
  assert.equal((await hook.post('{}', unnamed)).status, 400, 'without the name of the event');
});

test('fields that are something else than they should be leave no level, and harm nothing', async () => {
  await using hook = await startWebhook({ preset: 'github', secret: 's' });
  const repositories = [
    'null',
    '[]',
    '{"full_name":{"a":1}}',
    '{"full_name":["x"]}',
    '"x"',
    '{"full_name":""}',
    '{"__proto__":{"full_name":"x"}}',
  ];
  const topics = [];
  for (const [n, repository] of repositories.entries()) {
    const body = `{"repository":${repository}}`;
    topics.push((await hook.post(body, githubHeaders('s', body, `d${n}`))).json.topic);
  }
  assert.deepEqual(topics, Array(repositories.length).fill('github/push'));
  const body = '{"repository":{"full_name":"Ünïcode/名前 🎉/\\ud800+#"}}';
  const { topic } = (await hook.post(body, githubHeaders('s', body, 'u', 'a/#/b'))).json;
  assert.equal(topic, 'github/Ünïcode/名前 🎉/\uFFFD%2B%23/a%2F%23%2Fb');
  await hook.source.seen(repositories.length + 1);
  assert.equal(hook.source.events.at(-1)?.payload.toString(), body);
});

test('half a body is no event', async () => {
  await using hook = await startWebhook(ANY);
  {
    using raw = new RawHttp(await hook.url());
    raw.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"a"');
    await until(() => raw.socket.bytesWritten > 0 && !raw.socket.connecting, 'the half to be sent');
    raw.socket.end();
    await raw.hungUp();
  }
  await until(
    () => hook.refused()['a body ended before its time'] === 1,
    () => JSON.stringify(hook.refused()),
  );
  await works(hook);
  assert.equal(hook.source.events.length, 1);
});

test('who sends a byte now and then, of the head or of the body, is cut off', async () => {
  await using hook = await startWebhook({ ...ANY, timeout: '300ms' });
  const url = await hook.url();
  for (const start of ['POST / HTTP/1.1\r\nhost: x\r\nx-a: ', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n', 'GET /']) {
    using raw = new RawHttp(url);
    raw.write(start);
    const drip = setInterval(() => raw.write('a'), 20);
    await raw.hungUp().finally(() => clearInterval(drip));
    assert.match(raw.text, /^HTTP\/1\.1 408 /, start);
  }
  assert.equal(hook.refused()['a request came too slowly'], 3);
  await works(hook);
});

test('who is refused before the body has come may send the rest of it, but not for ever', async () => {
  await using hook = await startWebhook({ preset: 'generic', secret: 'token', timeout: '300ms' });
  using raw = new RawHttp(await hook.url());
  raw.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n');
  const drip = setInterval(() => raw.write('a'), 20);
  await raw.hungUp().finally(() => clearInterval(drip));
  assert.match(raw.text, /^HTTP\/1\.1 401 /);
});

test('beyond the connections that are allowed the next is closed, and there is room again when one ends', async () => {
  await using hook = await startWebhook({ ...ANY, maxConnections: 2 });
  const url = await hook.url();
  using one = new RawHttp(url);
  using two = new RawHttp(url);
  one.write(OK);
  two.write(OK);
  await Promise.all([one.answers(1), two.answers(1)]);
  using three = new RawHttp(url);
  three.write(OK);
  await three.hungUp();
  assert.equal(three.text, '');
  assert.equal(hook.refused()['too many connections'], 1);
  one.socket.destroy();
  await until(async () => {
    using again = new RawHttp(url);
    again.write(OK);
    return (await again.answers(1)).length > 0;
  }, 'room for a connection');
});

test('ten thousand headers, a header without end and what is no HTTP are refused, and counted', async () => {
  await using hook = await startWebhook(ANY);
  const url = await hook.url();
  const many = Array.from({ length: 10_000 }, (_, n) => `x-${n}: ${n}\r\n`).join('');
  for (const [text, status] of [
    [`POST / HTTP/1.1\r\nhost: x\r\n${many}\r\n`, 431],
    [`POST / HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(100_000)}\r\n\r\n`, 431],
    [`POST /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
    ['\x16\x03\x01\x02\0\x01\0', 400],
    ['POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n', 400],
    ['POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n', 400],
  ] as const) {
    using raw = new RawHttp(url);
    raw.write(text);
    await raw.hungUp();
    assert.match(raw.text, new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 60));
  }
  assert.ok((hook.refused()['a request is no HTTP'] ?? 0) >= 6, JSON.stringify(hook.refused()));
  await works(hook);
});

test('requests that are sent without waiting for answers are answered in their order, a wrong one among them', async () => {
  await using hook = await startWebhook({ preset: 'generic', secret: 'token', idHeader: 'x-id' });
  using raw = new RawHttp(await hook.url());
  const post = (id: number, token: string): string =>
    `POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\nx-id: ${id}\r\ncontent-length: 1\r\n\r\n${id}`;
  raw.write(
    [post(1, 'token'), post(2, 'token'), post(1, 'token'), 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', post(3, 'wrong'), post(4, 'token')].join(
      '',
    ),
  );
  assert.deepEqual(await raw.answers(6), [202, 202, 200, 200, 401, 202]);
  await hook.source.seen(3);
  assert.deepEqual(
    hook.source.events.map(({ payload }) => payload.toString()),
    ['1', '2', '4'],
  );
});

test('bodies that are too large together are refused for now, and what was held is given back', async () => {
  const bodies = new RequestBodies(100);
  const { IncomingMessage } = process.getBuiltinModule('node:http');
  const { Socket } = process.getBuiltinModule('node:net');
  const request = (): InstanceType<typeof IncomingMessage> => new IncomingMessage(new Socket());
  const feed = (message: InstanceType<typeof IncomingMessage>, bytes: number): void => {
    message.push(Buffer.alloc(bytes));
    message.push(null);
  };
  const [one, two, three] = [request(), request(), request()];
  feed(one, 60);
  const held = await bodies.read(one, 80);
  const second = bodies.read(two, 80);
  feed(two, 60);
  await assert.rejects(second, { code: 'HYD_BUSY' });
  held[Symbol.dispose]();
  feed(three, 80);
  using third = await bodies.read(three, 80);
  assert.equal(third.bytes.length, 80);
  const four = request();
  feed(four, 81);
  await assert.rejects(bodies.read(four, 80), { code: 'HYD_TOO_LARGE' });
});
