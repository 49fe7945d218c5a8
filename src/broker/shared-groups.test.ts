import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from '../testing/random.ts';
import { PEERS, SharedWorld, settle } from '../testing/shared-world.ts';

type Step = (world: SharedWorld) => void | Promise<void>;

const peer = fc.integer({ min: 0, max: PEERS - 1 });
const qos = fc.constantFrom<(1 | 2)[]>(1, 2);
const step = (name: string, act: Step): [string, Step] => [name, act];
const steps = fc.oneof(
  { weight: 8, arbitrary: qos.map((q) => step(`publish ${q}`, (world) => world.publish(q, false))) },
  { weight: 2, arbitrary: qos.map((q) => step(`publish ${q} for a second`, (world) => world.publish(q, true))) },
  { weight: 1, arbitrary: fc.constant(step('a second passes', (world) => world.pass(1000))) },
  {
    weight: 10,
    arbitrary: fc.tuple(peer, fc.nat(5)).map(([p, which]) => step(`answer ${p} ${which}`, (world) => world.peers[p]!.link?.answer(which))),
  },
  { weight: 4, arbitrary: fc.constant(step('settle', () => settle())) },
  { weight: 3, arbitrary: fc.constant(step('commit', (world) => world.commit())) },
  { weight: 2, arbitrary: fc.constant(step('tick', (world) => world.tick())) },
  {
    weight: 4,
    arbitrary: fc.tuple(peer, fc.boolean(), fc.integer({ min: 1, max: 4 }), fc.boolean()).map(([p, lasting, window, joins]) =>
      step(`connect ${p} ${lasting} ${window} ${joins}`, (world) => {
        world.connect(world.peers[p]!, lasting, window);
        if (joins) world.subscribe(world.peers[p]!, 2);
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(peer, qos).map(([p, q]) => step(`subscribe ${p} ${q}`, (world) => world.subscribe(world.peers[p]!, q))),
  },
  { weight: 2, arbitrary: peer.map((p) => step(`disconnect ${p}`, (world) => world.disconnect(world.peers[p]!))) },
  { weight: 1, arbitrary: peer.map((p) => step(`unsubscribe ${p}`, (world) => world.unsubscribe(world.peers[p]!))) },
  { weight: 1, arbitrary: peer.map((p) => step(`end ${p}`, (world) => world.end(world.peers[p]!))) },
  {
    weight: 2,
    arbitrary: fc.tuple(peer, fc.boolean()).map(([p, writable]) =>
      step(`${writable ? 'drain' : 'stall'} ${p}`, (world) => {
        const { link, session } = world.peers[p]!;
        if (!link) return;
        link.writable = writable;
        if (writable) session!.pump();
      }),
    ),
  },
  { weight: 2, arbitrary: fc.constant(step('crash', (world) => world.crash())) },
);

test('whatever its members do, a group gets each event once, at QoS 1 until somebody acknowledges it, and none is lost', async () => {
  const { seed } = createRandom('shared groups');
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(steps, { minLength: 20, maxLength: 120 }), async (lasting, script) => {
      const world = new SharedWorld();
      for (const p of world.peers.slice(0, 2)) {
        world.connect(p, lasting, 3);
        world.subscribe(p, 2);
      }
      try {
        for (const [, act] of script) await act(world);
        await world.finish();
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${script.map(([name]) => name).join(', ')}`, { cause: error });
      }
    }),
    { seed, numRuns: 300 },
  );
});
