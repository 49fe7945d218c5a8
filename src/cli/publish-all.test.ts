import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../core/errors.ts';
import type { Client, PublishRequest } from '../mqtt/client.ts';
import type { ClientEnd } from '../mqtt/client-options.ts';
import { publishAll } from './publish-all.ts';

interface Pending {
  topic: string;
  ack(): void;
  refuse(error: Error): void;
}

/** A client whose acknowledgements the test gives. */
function fakeClient() {
  const pending: Pending[] = [];
  const closed = Promise.withResolvers<ClientEnd>();
  const client = {
    closed: closed.promise,
    publish: ({ topic }: PublishRequest) =>
      new Promise<void>((resolve, reject) => {
        pending.push({ topic, ack: resolve, refuse: reject });
      }),
  };
  return { client: client as unknown as Client, pending, closed };
}

async function* requests(count: number): AsyncGenerator<PublishRequest> {
  for (let i = 0; i < count; i++) yield { topic: String(i), payload: '' };
}

const options = (more: Partial<Parameters<typeof publishAll>[2]> = {}) => ({
  window: 3,
  timeoutMs: 10_000,
  signal: new AbortController().signal,
  ...more,
});
const turns = () => new Promise((resolve) => setImmediate(resolve));

test('never more than the window is out, and it tells in order what is acknowledged', async () => {
  const { client, pending } = fakeClient();
  const acked: number[] = [];
  const done = publishAll(client, requests(5), options({ onAcked: (index) => acked.push(index) }));
  await turns();
  assert.equal(pending.length, 3);
  pending[2]!.ack();
  await turns();
  assert.deepEqual([pending.length, acked], [3, []], 'the window counts from the oldest that is missing');
  pending[0]!.ack();
  await turns();
  assert.deepEqual([pending.length, acked], [4, [0]]);
  for (const i of [1, 3]) pending[i]!.ack();
  await turns();
  pending[4]!.ack();
  assert.equal(await done, 5);
  assert.deepEqual(acked, [0, 1, 2, 3, 4]);
});

test('without an acknowledgement for the time allowed it gives up and counts', async () => {
  const { client, pending } = fakeClient();
  const done = publishAll(client, requests(3), options({ timeoutMs: 30 }));
  await turns();
  pending[0]!.ack();
  await assert.rejects(done, { code: 'HYD_TIMEOUT', message: /no acknowledgement for 0.03 s \(1 of 3 sent were acknowledged\)/ });
});

test('a slow server is waited for as long as it acknowledges now and then', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { client, pending } = fakeClient();
  const done = publishAll(client, requests(3), options({ timeoutMs: 1000 }));
  await turns();
  for (let i = 0; i < 3; i++) {
    t.mock.timers.tick(900);
    pending[i]!.ack();
    await turns();
  }
  assert.equal(await done, 3);
});

test('a refusal, a lost connection and an interruption end it at once, also while the source has nothing', async () => {
  const never = async function* (): AsyncGenerator<PublishRequest> {
    yield { topic: 'a', payload: '' };
    await new Promise(() => {});
  };
  const refused = fakeClient();
  const first = publishAll(refused.client, never(), options());
  await turns();
  refused.pending[0]!.refuse(new HydrantError('HYD_REFUSED', 'no'));
  await assert.rejects(first, { code: 'HYD_REFUSED' });
  const lost = fakeClient();
  const second = publishAll(lost.client, never(), options());
  lost.closed.resolve({ error: new HydrantError('HYD_CONNECT', 'lost') });
  await assert.rejects(second, { code: 'HYD_CONNECT' });
  const controller = new AbortController();
  const third = publishAll(fakeClient().client, never(), options({ signal: controller.signal }));
  await turns();
  controller.abort(new HydrantError('HYD_ABORTED', 'interrupted'));
  await assert.rejects(third, { code: 'HYD_ABORTED' });
});

test('what the source throws is what it throws', async () => {
  const broken = async function* (): AsyncGenerator<PublishRequest> {
    yield* requests(1);
    throw new HydrantError('HYD_TOO_LARGE', 'a line');
  };
  await assert.rejects(publishAll(fakeClient().client, broken(), options()), { code: 'HYD_TOO_LARGE' });
});
