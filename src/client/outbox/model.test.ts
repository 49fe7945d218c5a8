import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HydrantError } from '../../core/errors.ts';
import { outboxEvent } from '../../testing/outbox-event.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { openOutbox } from './open-outbox.ts';
import type { ChannelBounds, Outbox, OutboxRecord } from './outbox.ts';

const CHANNELS = ['rejecting', 'dropping'] as const;
type Channel = (typeof CHANNELS)[number];

const BOUNDS: Record<Channel, ChannelBounds & { maxEvents: number }> = {
  rejecting: { maxEvents: 6 },
  dropping: { maxEvents: 6, whenFull: 'drop-oldest', waitMs: 0 },
};

/** What the outbox should hold: lists in order, by the simplest means. */
class Model {
  readonly events: Record<Channel, OutboxRecord[]> = { rejecting: [], dropping: [] };
  readonly quarantined: OutboxRecord[] = [];
  readonly out = new Set<number>();
  readonly dropped: [id: string, reason: string][] = [];
  highest: Record<Channel, number> = { rejecting: 0, dropping: 0 };

  isFull(channel: Channel): boolean {
    return (
      this.events[channel].length + this.quarantined.filter((record) => record.channel === channel).length >= BOUNDS[channel].maxEvents
    );
  }

  /** The one that would go: what comes after everything that is out. */
  victim(channel: Channel): OutboxRecord | undefined {
    const list = this.events[channel];
    return list[list.findLastIndex(({ seq }) => this.out.has(seq)) + 1];
  }

  take(channel: Channel, at: number): OutboxRecord | undefined {
    const list = this.events[channel];
    const record = list[at % Math.max(1, list.length)];
    if (record) list.splice(list.indexOf(record), 1);
    if (record) this.out.delete(record.seq);
    return record;
  }

  add(record: OutboxRecord): void {
    const channel = record.channel as Channel;
    assert.ok(record.seq > this.highest[channel], `place ${record.seq} after ${this.highest[channel]}`);
    this.highest[channel] = record.seq;
    this.events[channel].push(record);
  }
}

interface Real {
  path: string;
  outbox: Outbox;
}

type Step = { run(model: Model, real: Real): Promise<void>; toString(): string };

const channel = fc.constantFrom(...CHANNELS);
const place = fc.nat({ max: 7 });

function step(name: string, run: (model: Model, real: Real) => Promise<void>): Step {
  return { run, toString: () => name };
}

const put = fc
  .tuple(channel, fc.option(fc.constantFrom('k1', 'k2'), { nil: undefined }), fc.string({ maxLength: 40 }))
  .map(([to, key, text]) =>
    step(`put ${to} ${key} ${JSON.stringify(text)}`, async (model, { outbox }) => {
      const event = outboxEvent(text, { channel: to, ...(key === undefined ? {} : { key }) });
      const result = await outbox.put(event).catch((error: HydrantError) => error.code);
      const same = key === undefined ? [] : model.events[to].filter((record) => record.key === key);
      if (model.isFull(to) && same.length === 0) {
        const victim = to === 'dropping' ? model.victim(to) : undefined;
        if (!victim) {
          assert.equal(result, 'HYD_OUTBOX_FULL');
          return;
        }
        model.dropped.push([victim.id, 'oldest']);
        model.events[to].splice(model.events[to].indexOf(victim), 1);
      }
      assert.ok(typeof result === 'object', `refused with ${String(result)}`);
      for (const record of same.filter(({ seq }) => !model.out.has(seq))) {
        model.dropped.push([record.id, 'replaced']);
        model.events[to].splice(model.events[to].indexOf(record), 1);
      }
      assert.deepEqual({ ...result, seq: 0, storedMs: 0 }, { ...event, seq: 0, storedMs: 0, attempts: 0 });
      model.add(result);
    }),
  );

const remove = fc.tuple(channel, place).map(([of, at]) =>
  step(`remove ${of} ${at}`, async (model, { outbox }) => {
    const record = model.take(of, at);
    if (record) outbox.remove(record.seq);
  }),
);

const mark = fc.tuple(channel, place, fc.boolean()).map(([of, at, out]) =>
  step(`mark ${of} ${at} ${out}`, async (model, { outbox }) => {
    const record = model.events[of][at];
    if (!record) return;
    outbox.markOut([record.seq], out);
    if (out) model.out.add(record.seq);
    else model.out.delete(record.seq);
  }),
);

const attempt = fc.tuple(channel, place, fc.integer({ min: 1, max: 3 })).map(([of, at, attempts]) =>
  step(`attempt ${of} ${at} ${attempts}`, async (model, { outbox }) => {
    const record = model.events[of][at];
    if (!record) return;
    outbox.noteAttempt(record.seq, attempts);
    record.attempts = attempts;
  }),
);

const quarantine = fc.tuple(channel, place).map(([of, at]) =>
  step(`quarantine ${of} ${at}`, async (model, { outbox }) => {
    const record = model.take(of, at);
    if (!record) return;
    await outbox.quarantine(record.seq, 'a reason');
    model.quarantined.push(record);
  }),
);

const retry = place.map((at) =>
  step(`retry ${at}`, async (model, { outbox }) => {
    const record = model.quarantined[at];
    assert.equal(await outbox.retry(record?.seq ?? 1), record !== undefined);
    if (!record) return;
    model.quarantined.splice(at, 1);
    const records = await outbox.read(record.channel, model.highest[record.channel as Channel], { maxEvents: 10, maxBytes: 1 << 20 });
    assert.deepEqual(
      records.map(({ id }) => id),
      [record.id],
    );
    model.add({ ...record, ...records[0]! });
  }),
);

const drop = fc.tuple(channel, place).map(([of, at]) =>
  step(`drop ${of} ${at}`, async (model, { outbox }) => {
    const record = model.take(of, at);
    if (!record) return;
    assert.equal(await outbox.drop(record.seq), true);
    model.dropped.push([record.id, 'operator']);
  }),
);

const reopen = fc.constant(
  step('reopen', async (model, real) => {
    await real.outbox.close();
    real.outbox = await open(real.path, told.get(real.outbox)!);
    model.out.clear();
  }),
);

/** Told of what was dropped, over several openings. */
const told = new WeakMap<Outbox, [string, string][]>();

async function open(path: string, list: [string, string][]): Promise<Outbox> {
  const outbox = await openOutbox(path);
  for (const name of CHANNELS) outbox.configure(name, BOUNDS[name]);
  told.set(outbox, list);
  outbox.onDropped = (briefs, reason) => {
    for (const { id } of briefs) list.push([id, reason]);
  };
  return outbox;
}

async function check(model: Model, { outbox }: Real): Promise<void> {
  await outbox.settled();
  for (const name of CHANNELS) {
    const records = await outbox.read(name, 0, { maxEvents: 100, maxBytes: 1 << 20 });
    const shown = (list: OutboxRecord[]): unknown[] =>
      list.map(({ seq, id, attempts, key, payload }) => [seq, id, attempts, key, [...payload]]);
    assert.deepEqual(shown(records), shown(model.events[name]));
    const { events = 0, quarantined = 0, oldestSeq } = outbox.channels.get(name) ?? {};
    const quarantinedHere = model.quarantined.filter((record) => record.channel === name).length;
    assert.deepEqual([events, quarantined, oldestSeq], [records.length, quarantinedHere, records[0]?.seq]);
  }
  assert.deepEqual(new Set((await outbox.quarantined()).map(({ seq }) => seq)), new Set(model.quarantined.map(({ seq }) => seq)));
  assert.deepEqual(told.get(outbox), model.dropped);
}

const look = fc.constant(step('look', check));

test('whatever is done with it in whatever order, an outbox holds what a plain list would', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  console.log(`outbox model: SEED=${seed}`);
  const steps = fc.array(fc.oneof({ weight: 6, arbitrary: put }, remove, mark, attempt, quarantine, retry, drop, reopen, look), {
    minLength: 1,
    maxLength: 80,
  });
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      await using folder = await createTempFolder();
      const real: Real = { path: folder.path, outbox: await open(folder.path, []) };
      const model = new Model();
      try {
        for (const { run } of taken) await run(model, real);
        await check(model, real);
      } finally {
        await real.outbox.close();
      }
    }),
    { seed, numRuns: 25 },
  );
});
