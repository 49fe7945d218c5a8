import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fifo } from './fifo.ts';

test('what is taken is what was added, in order, however often it grows, empties and begins anew', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('push', 'shift', 'clear'), fc.integer({ min: 1, max: 100 })), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (plan) => {
      const fifo = new Fifo<number>();
      let model: number[] = [];
      let next = 0;
      for (const [step, times] of plan) {
        for (let i = 0; i < times && step === 'push'; i++) {
          fifo.push(next);
          model.push(next++);
        }
        for (let i = 0; i < times && step === 'shift'; i++) assert.equal(fifo.shift(), model.shift());
        if (step === 'clear' && times > 90) {
          fifo.clear();
          model = [];
        }
        assert.equal(fifo.length, model.length);
        assert.equal(fifo.peek(), model[0]);
      }
    }),
  );
});

test('a queue of a hundred thousand empties and fills again', () => {
  const fifo = new Fifo<number>();
  for (const start of [0, 7]) {
    for (let i = start; i < 100_000; i++) fifo.push(i);
    for (let i = start; i < 100_000; i++) assert.equal(fifo.shift(), i);
    assert.equal(fifo.shift(), undefined);
  }
});
