import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus, Delivery, Subscription } from '../bus/bus.ts';
import type { Event } from '../wire/event.ts';
import { within } from './deadline.ts';

/** A bus on an engine of its own; `restart` ends the process's side and begins again on the same engine. */
export interface BusPlace extends AsyncDisposable {
  bus: Bus;
  restart(): Promise<Bus>;
}

const WAIT_MS = 10_000;

function numbered(topic: string, number: number, qos: 0 | 1 | 2 = 1): Event {
  return { topic, payload: Buffer.from(String(number)), qos, retain: false };
}

/** Takes deliveries until `count` have come, handing each to `act`. */
async function take(
  subscription: Subscription,
  count: number,
  act: (delivery: Delivery) => void = (delivery) => delivery.ack(),
): Promise<number[]> {
  const seen: number[] = [];
  const all = async (): Promise<void> => {
    for await (const batch of subscription) {
      for (const delivery of batch) {
        seen.push(Number(Buffer.from(delivery.event.payload).toString()));
        act(delivery);
      }
      if (seen.length >= count) return;
    }
  };
  await within(all(), WAIT_MS, () => `${count} deliveries, got ${seen.length}`);
  return seen;
}

interface Group {
  members: Subscription[];
  /** Takes until the group has got `count`; what each member got, in its order. */
  takeAll(count: number, act?: (delivery: Delivery) => void): Promise<number[][]>;
}

async function joinGroup(bus: Bus, size: number, options: { durable?: string } = {}): Promise<Group> {
  const members = await Promise.all(Array.from({ length: size }, () => bus.subscribe(['a'], { group: 'workers', ...options })));
  const takeAll: Group['takeAll'] = async (count, act = (delivery) => delivery.ack()) => {
    const shares = members.map((): number[] => []);
    const done = Promise.withResolvers<void>();
    for (const [i, member] of members.entries()) {
      void (async () => {
        for await (const batch of member) {
          for (const delivery of batch) {
            shares[i]!.push(Number(delivery.event.payload.toString()));
            act(delivery);
          }
          if (shares.flat().length >= count) done.resolve();
        }
      })();
    }
    await within(done.promise, WAIT_MS, () => `${count} deliveries, got ${shares.map((share) => share.length)}`);
    return shares;
  };
  return { members, takeAll };
}

const onlyOne = async (batch: Promise<IteratorResult<Delivery[]>>): Promise<Delivery> => {
  const { value } = await within(batch, WAIT_MS, 'a delivery');
  assert.equal(value.length, 1);
  return value[0];
};

const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** What every bus driver must do. A driver's test runs this before its own. */
export function busContract(driver: string, create: () => Promise<BusPlace>): void {
  const contract = (title: string, run: (place: BusPlace) => Promise<void>) =>
    test(`${driver} bus: ${title}`, async () => {
      await using place = await create();
      await run(place);
    });

  contract('publishes resolve with rising sequences, and everything arrives once, in order', async ({ bus }) => {
    const subscription = await bus.subscribe(['a/#']);
    const receipts = await Promise.all(upTo(500).map((i) => bus.publish(numbered('a/b', i))));
    assert.ok(receipts.every((receipt, i) => i === 0 || receipt.seq > receipts[i - 1]!.seq));
    assert.equal(new Set(receipts.map((receipt) => receipt.id)).size, 500);
    assert.deepEqual(await take(subscription, 500), upTo(500));
  });

  contract('an event keeps payload, content type, id and properties', async ({ bus }) => {
    const subscription = await bus.subscribe(['a']);
    const payload = Buffer.from([0, 255, 10, 13, 128]);
    const props = {
      expiry: 3600,
      reply: 'answers/here',
      correlation: 'AQI=',
      user: [
        ['k', '1'],
        ['k', '2'],
      ] as [string, string][],
    };
    // A server counts down what is left of an expiry.
    const whole = (seen: Event['props']): Event['props'] => ({ ...seen, expiry: seen?.expiry && Math.ceil(seen.expiry / 60) * 60 });
    const receipt = await bus.publish({ topic: 'a', payload, qos: 2, retain: false, id: 'X1', contentType: 'x/y', source: 'me', props });
    assert.equal(receipt.id, 'X1');
    let event: Event | undefined;
    await take(subscription, 1, (delivery) => {
      event = delivery.event;
      delivery.ack();
    });
    assert.deepEqual(Buffer.from(event!.payload), payload);
    if (!bus.capabilities.properties) return;
    assert.deepEqual(
      { id: event!.id, contentType: event!.contentType, source: event!.source, props: whole(event!.props) },
      { id: 'X1', contentType: 'x/y', source: 'me', props },
    );
  });

  contract('filters choose, overlapping ones deliver once, and $ topics are not in #', async ({ bus }) => {
    const subscription = await bus.subscribe(['x/+', 'x/#', 'y']);
    const all = await bus.subscribe(['#']);
    for (const [i, topic] of ['x', 'x/1', 'x/1/2', 'z', 'y', '$internal/x', 'x/end'].entries()) await bus.publish(numbered(topic, i));
    assert.deepEqual(await take(subscription, 5), [0, 1, 2, 4, 6]);
    assert.deepEqual(await take(all, 6), [0, 1, 2, 3, 4, 6]);
  });

  contract('a wrong topic or filter is refused with its reason', async ({ bus }) => {
    await assert.rejects(bus.publish(numbered('a/+', 1)), { code: 'HYD_TOPIC', message: /a\/\+/ });
    await assert.rejects(bus.publish(numbered('', 1)), { code: 'HYD_TOPIC' });
    await assert.rejects(bus.subscribe(['a/#/b']), { code: 'HYD_FILTER', message: /a\/#\/b/ });
  });

  contract('no more than maxInFlight are out; the rest comes as they are acknowledged', async ({ bus }) => {
    const subscription = await bus.subscribe(['a'], { maxInFlight: 10 });
    await Promise.all(upTo(100).map((i) => bus.publish(numbered('a', i))));
    const held: Delivery[] = [];
    const iterator = subscription[Symbol.asyncIterator]();
    while (held.length < 10) held.push(...(await within(iterator.next(), WAIT_MS, 'a batch')).value!);
    assert.equal(held.length, 10);
    const seen = held.map((delivery) => Number(delivery.event.payload.toString()));
    for (const delivery of held) delivery.ack();
    while (seen.length < 100) {
      for (const delivery of (await within(iterator.next(), WAIT_MS, 'the rest')).value!) {
        seen.push(Number(Buffer.from(delivery.event.payload).toString()));
        delivery.ack();
      }
    }
    assert.deepEqual(seen, upTo(100));
  });

  contract('a durable gets what came while it was away, and nothing that it acknowledged', async ({ bus }) => {
    const first = await bus.subscribe(['a/#'], { durable: 'reader' });
    await Promise.all(upTo(50).map((i) => bus.publish(numbered('a/x', i))));
    assert.deepEqual(await take(first, 50), upTo(50));
    await first.close();
    await Promise.all(upTo(50, 50).map((i) => bus.publish(numbered('a/y', i))));
    const second = await bus.subscribe(['a/#'], { durable: 'reader' });
    assert.deepEqual(await take(second, 50), upTo(50, 50));
  });

  contract('what a durable did not acknowledge comes again, also after a restart', async (place) => {
    const first = await place.bus.subscribe(['a'], { durable: 'reader' });
    await Promise.all(upTo(20).map((i) => place.bus.publish(numbered('a', i))));
    await take(first, 20, (delivery) => {
      if (Number(delivery.event.payload.toString()) % 2 === 0) delivery.ack();
    });
    const bus = await place.restart();
    await Promise.all(upTo(5, 20).map((i) => bus.publish(numbered('a', i))));
    const second = await bus.subscribe(['a'], { durable: 'reader' });
    const odd = upTo(20).filter((i) => i % 2 === 1);
    const wanted = bus.capabilities.outOfOrderAck ? [...odd, ...upTo(5, 20)] : upTo(24, 1);
    assert.deepEqual(await take(second, wanted.length), wanted);
  });

  contract("a durable's filters are taken as a set: what is gone is not delivered any more", async ({ bus }) => {
    const first = await bus.subscribe(['a', 'b'], { durable: 'reader' });
    await first.close();
    const second = await bus.subscribe(['b', 'c'], { durable: 'reader' });
    for (const [i, topic] of ['a', 'b', 'c'].entries()) await bus.publish(numbered(topic, i));
    assert.deepEqual(await take(second, 2), [1, 2]);
  });

  contract('nak delivers again, marked, not before its delay', async ({ bus }) => {
    const subscription = await bus.subscribe(['a']);
    await bus.publish(numbered('a', 1));
    const times: number[] = [];
    const marks: boolean[] = [];
    await take(subscription, 2, (delivery) => {
      times.push(performance.now());
      marks.push(delivery.redelivered);
      if (marks.length === 1) delivery.nak(100);
      else delivery.ack();
    });
    assert.deepEqual(marks, [false, true]);
    if (bus.capabilities.nakDelay) assert.ok(times[1]! - times[0]! >= 95, `came after ${times[1]! - times[0]!} ms`);
  });

  contract('startAt reads history first, then goes live without gap or duplicate', async ({ bus }) => {
    const before = Date.now();
    const receipts = await Promise.all(upTo(300).map((i) => bus.publish(numbered('a', i))));
    if (!bus.capabilities.startAt) {
      await assert.rejects(bus.subscribe(['a'], { startAt: { seq: 1 } }), { code: 'HYD_UNSUPPORTED' });
      return;
    }
    const fromSeq = await bus.subscribe(['a'], { startAt: { seq: receipts[100]!.seq } });
    const fromTime = await bus.subscribe(['a'], { startAt: { timeMs: before } });
    await Promise.all(upTo(300, 300).map((i) => bus.publish(numbered('a', i))));
    assert.deepEqual(await take(fromSeq, 500), upTo(500, 100));
    assert.deepEqual(await take(fromTime, 600), upTo(600));
  });

  contract('a group shares the work, or is refused', async ({ bus }) => {
    if (!bus.capabilities.group) {
      await assert.rejects(bus.subscribe(['a'], { group: 'workers' }), { code: 'HYD_UNSUPPORTED', message: /workers/ });
      return;
    }
    const group = await joinGroup(bus, 2);
    await Promise.all(upTo(100).map((i) => bus.publish(numbered('a', i))));
    const shares = await group.takeAll(100);
    assert.deepEqual(
      shares.flat().toSorted((a, b) => a - b),
      upTo(100),
    );
    assert.ok(Math.min(...shares.map((share) => share.length)) > 20, `shares of ${shares.map((share) => share.length)}`);
  });

  contract('what a member of a group naks, or has when it closes, goes to another, marked', async ({ bus }) => {
    if (!bus.capabilities.handOver) return;
    const { members } = await joinGroup(bus, 2);
    const iterators = members.map((member) => member[Symbol.asyncIterator]());
    const firsts = iterators.map((iterator) => iterator.next());
    await bus.publish(numbered('a', 1));
    const holder = await within(Promise.race(firsts.map((first, i) => first.then(() => i))), WAIT_MS, 'a delivery');
    const other = 1 - holder;
    const delivery = await onlyOne(firsts[holder]!);
    assert.equal(delivery.redelivered, false);
    await bus.publish(numbered('a', 2));
    const kept = await onlyOne(firsts[other]!);
    const passedOn = iterators[other]!.next();
    delivery.nak();
    const again = await onlyOne(passedOn);
    assert.deepEqual([Number(again.event.payload.toString()), again.redelivered], [1, true]);
    kept.ack();
    const closing = iterators[holder]!.next();
    await members[other]!.close();
    const back = await onlyOne(closing);
    assert.deepEqual([Number(back.event.payload.toString()), back.redelivered], [1, true]);
    back.ack();
    for (const late of [delivery, again]) late.nak();
    await bus.publish(numbered('a', 3));
    assert.equal(Number((await onlyOne(iterators[holder]!.next())).event.payload.toString()), 3);
  });

  contract('a member of a group that acknowledges nothing holds back nobody', async ({ bus }) => {
    if (!bus.capabilities.handOver) return;
    const stalled = await bus.subscribe(['a'], { group: 'workers', maxInFlight: 5 });
    const busy = await bus.subscribe(['a'], { group: 'workers', maxInFlight: 5 });
    const published = Promise.all(upTo(12_000).map((i) => bus.publish(numbered('a', i))));
    const seen = await take(busy, 11_995);
    await published;
    const third = await bus.subscribe(['a'], { group: 'workers' });
    await stalled.close();
    const rest = await take(third, 5);
    assert.deepEqual(
      [...seen, ...rest].toSorted((a, b) => a - b),
      upTo(12_000),
    );
  });

  contract('a durable group goes on where it was, with what nobody acknowledged', async (place) => {
    if (!place.bus.capabilities.handOver) return;
    const group = await joinGroup(place.bus, 2, { durable: 'jobs' });
    await Promise.all(upTo(40).map((i) => place.bus.publish(numbered('a', i))));
    await group.takeAll(40, (delivery) => {
      if (Number(delivery.event.payload.toString()) % 4 !== 0) delivery.ack();
    });
    await Promise.all(group.members.map((member) => member.close()));
    await Promise.all(upTo(5, 40).map((i) => place.bus.publish(numbered('a', i))));
    const bus = await place.restart();
    const shares = await (await joinGroup(bus, 3, { durable: 'jobs' })).takeAll(15);
    assert.deepEqual(
      shares.flat().toSorted((a, b) => a - b),
      [...upTo(40).filter((i) => i % 4 === 0), ...upTo(5, 40)],
    );
  });

  contract('a group is joined with its own filters only, and a durable by its own group', async ({ bus }) => {
    if (!bus.capabilities.handOver) return;
    await bus.subscribe(['a', 'b'], { group: 'workers', durable: 'jobs' });
    await assert.rejects(bus.subscribe(['a'], { group: 'workers', durable: 'jobs' }), {
      code: 'HYD_REFUSED',
      message: /reads a, b, not a/,
    });
    await assert.rejects(bus.subscribe(['a', 'b'], { group: 'others', durable: 'jobs' }), { code: 'HYD_REFUSED', message: /jobs/ });
    await assert.rejects(bus.subscribe(['a', 'b'], { durable: 'jobs' }), { code: 'HYD_REFUSED', message: /jobs/ });
    await bus.subscribe(['b', 'a'], { group: 'workers', durable: 'jobs' });
  });

  contract('an aborted publish settles; an aborted subscription ends', async ({ bus }) => {
    await assert.rejects(bus.subscribe(['a'], { signal: AbortSignal.abort() }), { code: 'HYD_ABORTED' });
    await assert.rejects(bus.publish(numbered('a', 1), { signal: AbortSignal.abort() }), { code: 'HYD_ABORTED' });
    const controller = new AbortController();
    const subscription = await bus.subscribe(['a'], { signal: controller.signal });
    const ended = take(subscription, 1);
    controller.abort();
    assert.deepEqual(await ended, []);
  });

  contract('close settles everything, and nothing is taken afterwards', async ({ bus }) => {
    const subscription = await bus.subscribe(['a']);
    const published = Promise.allSettled(upTo(100).map((i) => bus.publish(numbered('a', i))));
    await bus.close();
    await bus.close();
    assert.equal((await within(published, WAIT_MS, 'publishes to settle')).length, 100);
    for await (const batch of subscription) for (const delivery of batch) delivery.ack();
    await assert.rejects(bus.publish(numbered('a', 1)), { code: 'HYD_CLOSED' });
    await assert.rejects(bus.subscribe(['a']), { code: 'HYD_CLOSED' });
  });
}
