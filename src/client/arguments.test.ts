import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, generic, openClient, type PublishRequest } from './index.ts';

const openAway = (): Promise<Client> =>
  openClient({ outbox: ':memory:', url: 'mqtt://127.0.0.1:9', profile: generic({ device: 'd1' }), maxBackoffMs: 10 });

for (const [what, request, message, fix] of [
  ['nothing', undefined, /takes one object, not undefined/, /topic, payload/],
  ['the topic as an argument of its own', 'a/b', /takes one object, not "a\/b"/, /topic, payload/],
  ['an option that does not exist', { topic: 'a', payload: 'x', ttl: 5 }, /no option ttl$/, /ttlMs/],
  ['a payload under another name', { topic: 'a', message: 'x' }, /no option message$/, /payload/],
  ['a life without an end', { topic: 'a', payload: 'x', ttlMs: Number.POSITIVE_INFINITY }, /ttlMs .* Infinity/, /leave it out/],
  ['a life that no server can be told', { topic: 'a', payload: 'x', ttlMs: 4_294_967_296_000 }, /ttlMs/, /4294967295000/],
  ['retain that is no boolean', { topic: 'a', payload: 'x', retain: 'no' }, /retain .* no$/, /true or false/],
] as const) {
  test(`publish() of ${what} rejects both promises, names it, and stores nothing`, async () => {
    await using client = await openAway();
    const { stored, acked } = client.publish(request as unknown as PublishRequest);
    for (const promise of [stored, acked]) await assert.rejects(promise, { code: 'HYD_USAGE', message, fix });
    assert.equal(client.metrics().depth, 0);
  });
}

test('publish() of a channel refuses what it does not know, and what JSON would make nothing of', async () => {
  await using client = await openAway();
  const data = client.channel('data');
  for (const [payload, options, message, fix] of [
    [1, { subject: 'x' }, /no option subject$/, /sub/],
    [1, { retain: true }, /no option retain$/, /client\.publish/],
    [1, 'flow', /"flow" is no object/, /sub/],
    [1, null, /null is no object/, /sub/],
    [Promise.resolve(1), {}, /kind Promise/, /Await/],
    [new Map([['a', 1]]), {}, /kind Map/, /fromEntries/],
    [new Set([1]), {}, /kind Set/, /\[\.\.\.set\]/],
    [new ArrayBuffer(1), {}, /kind ArrayBuffer/, /Uint8Array/],
    [new TypeError('x'), {}, /kind Error/, /error\.message/],
  ] as const)
    await assert.rejects(data.publish(payload, options as never).stored, { code: 'HYD_USAGE', message, fix });
  await assert.rejects(client.channel('state').update(new Map([['a', 1]])).stored, {
    code: 'HYD_USAGE',
    message: /state update is of the kind Map/,
  });
  assert.equal(client.metrics().depth, 0);
  await data.publish({}).stored;
});

test('what the client does not have is refused when it is asked for, by name', async () => {
  await using client = await openAway();
  const any = client as unknown as Record<'on' | 'subscribe' | 'channel', (...args: unknown[]) => unknown>;
  const wrong = (call: () => unknown, message: RegExp, fix: RegExp) => assert.throws(call, { code: 'HYD_USAGE', message, fix });
  wrong(() => any.on('connect', () => {}), /no event "connect"/, /link/);
  wrong(() => any.on('message', () => {}), /no event "message"/, /subscribe/);
  wrong(() => any.on('toString', () => {}), /no event "toString"/, /quarantined/);
  wrong(() => any.on('link'), /listener of link is undefined/, /function/);
  wrong(() => any.subscribe('a/b', () => {}), /calls nothing back/, /for await/);
  wrong(() => any.subscribe(), /filter is undefined/, /a\/#/);
  wrong(() => any.subscribe([]), /filter is undefined/, /a\/#/);
  wrong(() => any.subscribe('a', { qos: 1 }), /no option qos$/, /retained/);
  wrong(() => any.subscribe('a', { retained: true }), /retained of subscribe\(\): true/, /keep or skip/);
  wrong(() => any.channel(), /undefined is no name/, /data/);
  wrong(() => any.channel('state', { intervalMs: '5' }), /intervalMs 5/, /./);
});

test('a deadline that is none is refused, and does not become no deadline', async () => {
  await using client = await openAway();
  for (const options of [5, '5s', { deadline: 5 }, { deadlineMs: '5' }, { deadlineMs: -1 }, { deadlineMs: Number.NaN }] as never[]) {
    await assert.rejects(client.flush(options), { code: 'HYD_USAGE', message: /flush\(\)/ });
    await assert.rejects(client.close(options), { code: 'HYD_USAGE', message: /close\(\)/ });
  }
  await client.publish({ topic: 'a', payload: 'still open' }).stored;
});
