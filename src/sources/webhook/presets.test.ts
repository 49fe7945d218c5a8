import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { within } from '../../testing/deadline.ts';
import { githubHeaders, standardHeaders, startWebhook, type WebhookHarness } from '../../testing/webhooks.ts';
import { createEventCheck } from '../catalogue/event-check.ts';
import { idOf, readEvent } from '../gerrit/gerrit-event.ts';
import { SCHEMAS } from './schemas.ts';

const check = createEventCheck(SCHEMAS);
const SECRET = 'It’s a secret';
const KEY = Buffer.alloc(32, 7).toString('base64');

const nowS = (): number => Math.floor(Date.now() / 1000);
const example = (name: string): string => JSON.stringify(SCHEMAS.find((schema) => schema.name === name)!.examples[0]);
const hub = (body: string, secret = SECRET): string => `sha1=${createHmac('sha1', secret).update(body).digest('hex')}`;

/** Each body as it was posted, by the topic that it came on. */
async function published({ source }: WebhookHarness, count: number): Promise<[topic: string, payload: string][]> {
  await within(source.seen(count), 20_000, `${count} events`);
  return source.events.map(({ topic, payload }) => [topic, payload.toString()]);
}

async function statuses(all: Iterable<Promise<{ status: number }>>): Promise<number[]> {
  return (await Promise.all(all)).map(({ status }) => status);
}

test('github: what is signed is published byte for byte by repository and event, the rest is refused and counted', async () => {
  await using hook = await startWebhook({ preset: 'github', secret: SECRET }, check);
  const push = ` ${example('webhook.github-push')}\n`;
  const { status, json } = await hook.post(push, githubHeaders(SECRET, push, 'd-1'));
  assert.deepEqual([status, json.topic], [202, 'github/waterworks/sluice/push']);
  const org = '{"action":"member_added","organization":{"login":"waterworks"}}';
  const bare = '{"zen":"ok"}';
  await hook.post(org, githubHeaders(SECRET, org, 'd-2', 'organization'));
  await hook.post(bare, githubHeaders(SECRET, bare, 'd-3', 'ping'));
  assert.deepEqual(await published(hook, 3), [
    ['github/waterworks/sluice/push', push],
    ['github/waterworks/organization', org],
    ['github/ping', bare],
  ]);
  assert.deepEqual(hook.source.events[0]?.contentType, 'application/json');
  const headers = githubHeaders(SECRET, push, 'd-4');
  const { 'x-hub-signature-256': signature = '', ...unsigned } = headers;
  assert.deepEqual(
    await statuses([
      hook.post(push, unsigned),
      hook.post(push, { ...unsigned, 'x-hub-signature': hub(push) }),
      hook.post(push, githubHeaders('another', push, 'd-4')),
      hook.post(`${push} `, headers),
      hook.post(push, { ...headers, 'x-hub-signature-256': signature.slice(0, -2) }),
      hook.post(push, { ...headers, 'x-hub-signature-256': 'sha256=' }),
    ]),
    [401, 401, 401, 401, 401, 401],
  );
  assert.deepEqual(hook.refused(), { 'a signature is missing': 2, 'a signature is wrong': 4 });
  assert.equal(hook.source.events.length, 3);
  assert.equal(hook.source.source.status().mismatched, 0);
});

test('github: a form is unwrapped, and what is published is the JSON in it', async () => {
  await using hook = await startWebhook({ preset: 'github', secret: SECRET }, check);
  const push = example('webhook.github-push').replace('lena-k', 'lëna + k&ß');
  const form = new URLSearchParams({ payload: push }).toString();
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  await hook.post(form, { ...githubHeaders(SECRET, form, 'd-1'), ...type });
  assert.deepEqual(await published(hook, 1), [['github/waterworks/sluice/push', push]]);
  assert.equal((await hook.post('a=b', { ...githubHeaders(SECRET, 'a=b', 'd-2'), ...type })).status, 400);
});

test('gitlab: a token, or a signing token with its time, shows who it is', async () => {
  await using hook = await startWebhook({ preset: 'gitlab', secret: `${SECRET.replace('’', '')}\nwhsec_${KEY}` }, check);
  const token = { 'x-gitlab-token': 'Its a secret', 'x-gitlab-event': 'Note Hook' };
  const [note, merge] = [example('webhook.gitlab-note'), example('webhook.gitlab-merge_request')];
  const system = '{"event_name":"project_create","path_with_namespace":"mills/new"}';
  const signed = standardHeaders(KEY, merge, 'key-2', nowS());
  // Of two at once nobody knows which is the repeat.
  const first = await hook.post(note, { ...token, 'idempotency-key': 'key-1' });
  const others = await statuses([
    hook.post(note, { ...token, 'idempotency-key': 'key-1' }),
    hook.post(merge, signed),
    hook.post(system, token),
  ]);
  assert.deepEqual([first.status, ...others], [202, 200, 202, 202]);
  assert.deepEqual((await published(hook, 3)).sort(), [
    ['gitlab/mills/east/grindstone/merge_request', merge],
    ['gitlab/mills/east/grindstone/note', note],
    ['gitlab/mills/new/project_create', system],
  ]);
  assert.deepEqual(
    await statuses([
      hook.post(note),
      hook.post(note, { 'x-gitlab-token': 'Its a' }),
      hook.post(note, { 'x-gitlab-token': `whsec_${KEY}` }),
      hook.post(note, signed),
      hook.post(merge, standardHeaders(KEY, merge, 'key-3', nowS() - 301)),
    ]),
    [401, 401, 401, 401, 401],
  );
  assert.equal(hook.source.source.status().mismatched, 0);
});

test('gitlab: events that a hook itself sets off share a UUID and are events all the same', async () => {
  await using hook = await startWebhook({ preset: 'gitlab', secret: 'token' });
  const headers = { 'x-gitlab-token': 'token', 'x-gitlab-event-uuid': 'u-1' };
  const [one, two] = ['{"object_kind":"push","n":1}', '{"object_kind":"push","n":2}'];
  assert.deepEqual(
    [(await hook.post(one, headers)).status, (await hook.post(two, headers)).status, (await hook.post(one, headers)).status],
    [202, 202, 200],
  );
});

test('gerrit: the webhooks plugin publishes what the stream would, under the same topics and ids', async () => {
  await using hook = await startWebhook({ preset: 'gerrit', secret: 'gerrit token' });
  const sample = readFileSync(new URL('../../../test/fixtures/gerrit/change-abandoned-event.txt', import.meta.url));
  const line = JSON.stringify({ eventCreatedOn: 1_795_301_234, ...JSON.parse(sample.toString()) });
  const basic = { authorization: `Basic ${Buffer.from('any:gerrit token').toString('base64')}` };
  assert.deepEqual(
    [
      (await hook.post(line, {}, '/?token=gerrit%20token')).status,
      (await hook.post(line, basic)).status,
      (await hook.post(line, {}, '/?token=gerrit')).status,
      (await hook.post(line)).status,
    ],
    [202, 200, 401, 401],
  );
  await hook.source.seen(1);
  const [event] = hook.source.events;
  assert.match(event!.topic, /^gerrit\/.+\/change-abandoned$/);
  assert.equal(event!.id, idOf(readEvent(Buffer.from(line))!));
  assert.equal(event!.payload.toString(), line);
});

test('launchpad: types stay as they are, and what is shown is a path of levels', async () => {
  await using hook = await startWebhook({ preset: 'launchpad', secret: SECRET }, check);
  const send = (name: string, type: string, id: string) => {
    const body = example(`webhook.launchpad-${name}`);
    return hook.post(body, { 'x-hub-signature': hub(body), 'x-launchpad-event-type': type, 'x-launchpad-delivery': id });
  };
  const topics = [
    await send('bug', 'bug:0.1', '1'),
    await send('bug-comment', 'bug:comment:0.1', '2'),
    await send('git-push', 'git:push:0.1', '3'),
    await send('merge-proposal', 'merge-proposal:0.1', '4'),
    await send('ping', 'ping', '5'),
    await send('event', 'snap:build:0.1', '6'),
  ].map(({ json }) => json.topic);
  assert.deepEqual(topics, [
    'launchpad/kiln/bug:0.1/2088143',
    'launchpad/kiln/bug:comment:0.1/2088143',
    'launchpad/~potters/kiln/%2Bgit/kiln/git:push:0.1',
    'launchpad/~noor/kiln/%2Bgit/kiln/merge-proposal:0.1/501220',
    'launchpad/ping',
    'launchpad/~potters/%2Bsnap/kiln/snap:build:0.1',
  ]);
  assert.equal((await send('bug', 'bug:0.1', '1')).json.repeated, true);
  const body = example('webhook.launchpad-bug');
  assert.equal((await hook.post(body, { 'x-hub-signature': hub(body, 'other'), 'x-launchpad-event-type': 'bug:0.1' })).status, 401);
  assert.equal((await hook.post(body, { 'x-hub-signature': hub(body) })).status, 400, 'without its type');
  assert.equal(hook.source.source.status().mismatched, 0);
});

test('standard-webhooks: a recorded request is worth nothing later, at another time or under another id', async () => {
  await using hook = await startWebhook({ preset: 'standard-webhooks', secret: `whsec_${KEY}`, tolerance: '2m' }, check);
  const body = example('webhook.standard');
  const recorded = standardHeaders(KEY, body, 'msg_1', nowS() - 60);
  assert.equal((await hook.post(body, recorded)).json.topic, 'standard-webhooks/parcel.delivered');
  assert.equal((await hook.post(body, recorded)).json.repeated, true, 'soon: it is a repeat');
  assert.equal(
    (await hook.post(body, standardHeaders(KEY, body, 'msg_1', nowS()))).json.repeated,
    true,
    'so is one that the sender signs again',
  );
  const old = standardHeaders(KEY, body, 'msg_2', nowS() - 121);
  assert.deepEqual(
    await statuses([
      hook.post(body, { ...recorded, 'webhook-id': 'msg_3' }),
      hook.post(body, { ...recorded, 'webhook-timestamp': String(nowS()) }),
      hook.post(body, old),
      hook.post(body, { ...old, 'webhook-timestamp': String(nowS()) }),
      hook.post(body, standardHeaders(KEY, body, 'msg_4', nowS() + 200)),
      hook.post(body, { ...recorded, 'webhook-timestamp': 'NaN' }),
      hook.post(body, { ...recorded, 'webhook-timestamp': '-1' }),
      hook.post(body.replace('left', 'right'), recorded),
      hook.post(body, { ...recorded, 'webhook-signature': recorded['webhook-signature']!.replace('v1,', 'v1a,') }),
    ]),
    Array(9).fill(401),
  );
  assert.equal(hook.source.events.length, 1);
  assert.equal(hook.source.events[0]?.props?.time, '2026-11-21T07:31:05.000Z');
});

test('standard-webhooks: of several signatures one has to be right, while a secret is being changed', async () => {
  const old = randomBytes(24).toString('base64');
  await using hook = await startWebhook({ preset: 'standard-webhooks', secret: `whsec_${KEY}\nwhsec_${old}` });
  const body = '{"type":"a.b","data":1}';
  const right = standardHeaders(old, body, 'msg_1', nowS());
  const both = `v1a,AAAA v1,${randomBytes(32).toString('base64')} ${right['webhook-signature']}`;
  assert.equal((await hook.post(body, { ...right, 'webhook-signature': both })).status, 202);
});

test('alertmanager: a reminder says what was said before, and is an event of its own', async () => {
  await using hook = await startWebhook({ preset: 'alertmanager', secret: 'token' }, check);
  const body = example('webhook.alertmanager');
  const headers = { authorization: 'Bearer token' };
  await hook.post(body, headers);
  await hook.post(body, headers);
  assert.deepEqual(await published(hook, 2), [
    ['alertmanager/hydrant/firing', body],
    ['alertmanager/hydrant/firing', body],
  ]);
  assert.notEqual(hook.source.events[0]?.id, hook.source.events[1]?.id);
  assert.equal((await hook.post(body, { authorization: 'Bearer toke' })).status, 401);
});

test('generic: any body with a token, under a topic from its fields and a header', async () => {
  const options = { preset: 'generic', secret: 'token', topic: 'builds/{event}/{job.name}', eventHeader: 'X-Kind', idHeader: 'X-Id' };
  await using hook = await startWebhook(options);
  const headers = { authorization: 'Bearer token', 'x-kind': 'a/b' };
  const bytes = new Uint8Array([0, 255, 1]);
  await hook.post('{"job":{"name":"nightly/1"}}', { ...headers, 'x-id': '1' });
  await hook.post(bytes, { ...headers, 'x-id': '2', 'content-type': 'image/x-none; q=1' });
  await hook.post('{"job":', { ...headers, 'x-id': '3' });
  await hook.post(' {"job":{"name":"n"}}', { ...headers, 'x-id': '4', 'content-type': 'application/x-www-form-urlencoded' });
  assert.equal((await hook.post('{}', { ...headers, 'x-id': '1' })).json.repeated, true);
  assert.deepEqual(
    (await published(hook, 4)).map(([topic]) => topic),
    ['builds/a%2Fb/nightly%2F1', 'builds/a%2Fb', 'builds/a%2Fb', 'builds/a%2Fb/n'],
  );
  const [, binary, broken] = hook.source.events;
  assert.deepEqual([[...binary!.payload], binary!.contentType], [[0, 255, 1], 'image/x-none; q=1']);
  assert.equal(broken!.payload.toString(), '{"job":');
});

test('generic: a signature with any of the hashes, as hex or base64, in any header', async () => {
  for (const [hmac, encoding, prefix] of [
    ['sha1', 'hex', 'sha1='],
    ['sha256', 'base64', ''],
    ['sha512', 'hex', ''],
  ] as const) {
    await using hook = await startWebhook({ preset: 'generic', secret: SECRET, hmac, encoding, header: 'X-Sign' });
    const sign = (body: string): string => prefix + createHmac(hmac, SECRET).update(body).digest(encoding);
    assert.equal((await hook.post('{"a":1}', { 'x-sign': sign('{"a":1}') })).status, 202, hmac);
    assert.equal((await hook.post('{"a":1}', { 'x-sign': sign('{"a":2}') })).status, 401, hmac);
    assert.equal((await hook.post('{"a":1}')).status, 401, hmac);
  }
});
