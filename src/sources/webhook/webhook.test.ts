import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTestAuthority } from '../../testing/certificates.ts';
import { run } from '../../testing/child.ts';
import { until } from '../../testing/deadline.ts';
import { testSource } from '../../testing/source-harness.ts';
import { githubHeaders, JSON_HEADERS, RawHttp, refuseToStore, startWebhook, type WebhookHarness } from '../../testing/webhooks.ts';
import { createEventCheck } from '../catalogue/event-check.ts';
import { testSource as stepsOf } from '../run/test-source.ts';
import type { TestStep } from '../source.ts';
import { SCHEMAS } from './schemas.ts';
import { webhook } from './webhook.ts';

const GITHUB = { preset: 'github', secret: 's' };
const BODY = '{"repository":{"full_name":"a/b"}}';

function send(hook: WebhookHarness, delivery: string, body = BODY) {
  return hook.post(body, githubHeaders('s', body, delivery));
}

test('a full outbox is a 503 with Retry-After that says nothing of this machine; the repeat is taken once there is room', async () => {
  await using hook = await startWebhook(GITHUB);
  await hook.url();
  const makeRoom = refuseToStore(hook, 'HYD_OUTBOX_FULL');
  for (let n = 0; n < 3; n++) {
    const { status, headers, json } = await send(hook, 'd-1');
    assert.deepEqual([status, headers.get('retry-after'), json.error?.code], [503, '30', 'HYD_OUTBOX_FULL']);
    assert.ok(!JSON.stringify(json).includes('secret-place'));
  }
  makeRoom();
  assert.equal((await send(hook, 'd-1')).status, 202);
  assert.equal((await send(hook, 'd-1')).status, 200);
  await hook.source.seen(1);
  assert.deepEqual(hook.refused(), { 'the outbox is full': 3 });
  assert.equal(hook.source.source.status().errors, 0, 'the port stays open meanwhile');
});

test('with the bus away everything is taken, and arrives once it is back', async () => {
  await using hook = await startWebhook(GITHUB);
  hook.source.bus.hold();
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => send(hook, `d-${n}`, `{"n":${n}}`)));
  assert.ok(answers.every(({ status }) => status === 202));
  assert.equal(hook.source.events.length, 0);
  hook.source.bus.release();
  await hook.source.seen(200);
  await hook.source.stop();
  await hook.source.start();
  assert.equal((await send(hook, 'd-7', '{"n":7}')).status, 200, 'a repeat is told after a restart');
  const seen = new Set(hook.source.events.map(({ payload }) => JSON.parse(payload.toString()).n));
  assert.equal(seen.size, 200);
  assert.equal(new Set(hook.source.events.map(({ id }) => id)).size, 200);
});

test('a repeat that comes while the first is being stored has its outcome: both are stored, or neither', async () => {
  await using hook = await startWebhook(GITHUB);
  await hook.url();
  const both = await Promise.all(Array.from({ length: 20 }, () => send(hook, 'd-1')));
  assert.deepEqual(both.map(({ status }) => status).sort(), [...Array(19).fill(200), 202]);
  assert.equal(new Set(both.map(({ json }) => json.id)).size, 1);
  const makeRoom = refuseToStore(hook, 'HYD_OUTBOX');
  const refused = await Promise.all(Array.from({ length: 5 }, () => send(hook, 'd-2')));
  assert.deepEqual(
    refused.map(({ status }) => status),
    Array(5).fill(503),
  );
  makeRoom();
  assert.equal((await send(hook, 'd-2')).status, 202);
  await hook.source.seen(2);
  assert.equal(hook.source.events.length, 2);
});

test('with strict, what does not match its schema is refused: 422; without, it is published and counted', async () => {
  const check = createEventCheck(SCHEMAS);
  await using hook = await startWebhook(GITHUB, check);
  const body = '{"repository":{"full_name":"a/b"},"ref":7}';
  assert.equal((await send(hook, 'd-1', body)).status, 202);
  assert.equal(hook.source.source.status().mismatched, 1);
  await hook.source.stop();
  await using strict = await startWebhook(GITHUB, check, { strict: true });
  const { status, json } = await send(strict, 'd-1', body);
  assert.deepEqual([status, json.error?.code], [422, 'HYD_SCHEMA']);
  assert.equal((await send(strict, 'd-1', JSON.stringify(SCHEMAS[0]?.examples[0]))).status, 202, 'its id is not used up');
  assert.deepEqual(strict.refused(), { 'it does not match its schema': 1 });
});

test('an answer says that the event is on disk: what was answered is there after an end without notice', async () => {
  await using hook = await startWebhook(GITHUB);
  hook.source.bus.hold();
  const { json } = await send(hook, 'd-1');
  assert.equal(hook.source.source.client.metrics().depth, 1);
  hook.source.bus.release();
  await hook.source.seen(1);
  assert.equal(hook.source.events[0]?.id, json.id);
});

test('several hooks on one port are told apart by their paths, deliveries too', async () => {
  const hooks = [{ path: '/two', preset: 'github', secret: 't', base: 'two' }];
  await using hook = await startWebhook({ ...GITHUB, path: '/one', hooks });
  const topics = [
    await hook.post(BODY, githubHeaders('s', BODY, 'd-1'), '/one'),
    await hook.post(BODY, githubHeaders('t', BODY, 'd-1'), '/two'),
    await hook.post(BODY, githubHeaders('s', BODY, 'd-1'), '/two'),
  ].map(({ status, json }) => json.topic ?? status);
  assert.deepEqual(topics, ['github/a/b/push', 'two/a/b/push', 401]);
});

test('a test says where it listens, shows what comes and what is wrong with it, and takes nothing', async () => {
  const taken = { preset: 'github', secret: 's', listen: '127.0.0.1:0' };
  const steps: TestStep[] = [];
  const abort = new AbortController();
  for await (const step of stepsOf({ kind: webhook, options: webhook.options.parse(taken), name: 'webhook' }, abort.signal)) {
    steps.push(step);
    const first = steps[0]!;
    const url = 'what' in first ? first.what.split(' ', 1)[0]! : '';
    if (steps.length === 1) {
      const wrong = await fetch(url, { method: 'POST', body: BODY, headers: { 'content-type': 'application/json' } });
      assert.equal(wrong.status, 401);
    } else if (steps.length < 5) {
      const headers = { 'content-type': 'application/json', ...githubHeaders('s', BODY, `d-${steps.length}`) };
      const { status } = await fetch(url, { method: 'POST', body: BODY, headers });
      assert.equal(status, 503, 'the sender is to try again');
    }
  }
  assert.match(JSON.stringify(steps[0]), /takes github, on github\/\{project\.\.\.\}\/\{event\}/);
  assert.deepEqual(steps[1], {
    ok: false,
    what: 'POST /',
    why: 'a signature is missing',
    fix: 'Give the sender the secret that stands here, and this machine and the sender the right time.',
  });
  assert.deepEqual(
    steps.slice(2).map((step) => 'event' in step && step.event.topic),
    ['github/a/b/push', 'github/a/b/push', 'github/a/b/push'],
  );
});

test('a port that another program has, and a certificate that is none, are said with what to do', async () => {
  await using other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const [busy] = await testSource(webhook, { ...GITHUB, listen: `127.0.0.1:${port}` });
  assert.ok(busy && 'ok' in busy && !busy.ok);
  assert.match(`${busy.why} ${busy.fix}`, /cannot listen on 127\.0\.0\.1:\d+.*Stop the other program/);
  await using authority = await createTestAuthority();
  const { cert } = await authority.server();
  const noKey = join(authority.path, 'none.key');
  await writeFile(noKey, 'x');
  for (const tls of [
    { tlsCert: cert, tlsKey: noKey },
    { tlsCert: cert, tlsKey: `${noKey}.missing` },
  ]) {
    const [step] = await testSource(webhook, { ...GITHUB, listen: '127.0.0.1:0', ...tls });
    assert.ok(step && 'ok' in step && !step.ok);
    assert.match(step.fix, /tlsCert/);
  }
});

test('curl posts to it over TLS, also a body that waits for 100 Continue', async () => {
  await using authority = await createTestAuthority();
  const { cert, key } = await authority.server();
  await using hook = await startWebhook({ preset: 'generic', secret: 'token', tlsCert: cert, tlsKey: key, base: 'curl', maxBody: '3MiB' });
  const url = await hook.url();
  assert.match(url, /^https:/);
  const large = join(authority.path, 'large');
  await writeFile(large, Buffer.alloc(2_000_000, 'a'));
  const post = (...args: string[]) =>
    run('curl', ['-sS', '--cacert', authority.ca, '-o', '-', '-w', '%{http_code}', ...args, url], { timeoutMs: 20_000 });
  const auth = ['-H', 'Authorization: Bearer token'];
  assert.match((await post(...auth, '-d', 'hello')).stdout, /"topic":"curl"\}\n202$/);
  assert.match((await post(...auth, '-H', 'Expect: 100-continue', '--data-binary', `@${large}`)).stdout, /202$/);
  assert.match((await post('-u', 'me:token', '-d', 'hello')).stdout, /202$/);
  assert.match((await post('-u', 'me:wrong', '-d', 'hello')).stdout, /401$/);
  await writeFile(large, Buffer.alloc(4_000_000, 'a'));
  assert.match((await post(...auth, '--data-binary', `@${large}`)).stdout, /413$/);
  await hook.source.seen(3);
  assert.deepEqual(
    hook.source.events.map(({ payload }) => payload.length),
    [5, 2_000_000, 5],
  );
  await run('curl', ['-sS', '-d', 'hello', url.replace('https:', 'http:')], { timeoutMs: 20_000 });
  await until(() => hook.refused()['a TLS handshake failed'] === 1, 'what speaks no TLS to be counted');
  const told = hook.source.logged.find(({ message }) => message === 'a TLS handshake failed');
  assert.equal(told?.fields.from, '127.0.0.1');
  assert.match(String(told?.fields.error), /http request/);
});

test('the end lets a request under way finish', async () => {
  await using hook = await startWebhook(GITHUB);
  const url = await hook.url();
  using raw = new RawHttp(url);
  const headers = { ...JSON_HEADERS, ...githubHeaders('s', BODY, 'd-1'), host: 'x', expect: '100-continue', 'content-length': BODY.length };
  raw.write(
    `POST / HTTP/1.1\r\n${Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`,
  );
  assert.deepEqual(await raw.answers(1), [100]);
  const stopped = hook.source.stop();
  await assert.rejects(fetch(url));
  raw.write(BODY);
  assert.deepEqual(await raw.answers(2), [100, 202]);
  assert.match(raw.text, /202 Accepted.*connection: close/is, 'so that nothing waits for the next request');
  await raw.hungUp();
  await stopped;
});
