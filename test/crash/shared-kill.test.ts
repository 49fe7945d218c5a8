import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../src/testing/deadline.ts';
import { startHydrant } from '../../src/testing/hydrant-server.ts';
import { NumberedPublisher } from '../../src/testing/numbered-publisher.ts';
import { NumberedSubscriber } from '../../src/testing/numbered-subscriber.ts';
import { createRandom } from '../../src/testing/random.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { Team } from '../../src/testing/team.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { seen, testWait } from './crash-order.ts';

const ROUNDS = 10;
const STATE_POINTS = ['state.before-commit', 'state.after-commit'];

const resume = (url: string, clientId: string): Promise<RawClient> => RawClient.connect(url, { clientId, clean: false });

testWait('a QoS 2 event of a group waits for the state: what one member has seen of it, no other ever gets', {
  points: STATE_POINTS,
  before: STATE_POINTS,
  async prepare({ url, id }) {
    for (const clientId of [`${id}-1`, `${id}-2`]) {
      using member = await resume(url, clientId);
      await member.subscribe(`$share/${id}/${id}/#`, 2);
      await member.disconnect();
    }
    using publisher = await RawClient.connect(url, { auto: true });
    for (const payload of ['1', '2', '3']) await publisher.deliver(`${id}/a`, payload, { qos: 2 });
  },
  async act({ url, id }) {
    const member = await seen(resume(url, `${id}-1`));
    const events: string[] = [];
    while (member && events.length < 3) {
      const packet = await seen(member.take('publish'));
      if (!packet) break;
      events.push(packet.payload.toString());
    }
    return { events };
  },
  answered: (wire) => wire.events.length === 3,
  async check({ url, id }, wire) {
    const team = new Team();
    using other = await resume(url, `${id}-2`);
    team.add(other);
    using first = await resume(url, `${id}-1`);
    team.add(first);
    await team.until(3);
    using publisher = await RawClient.connect(url, { auto: true });
    await publisher.deliver(`${id}/a`, '4', { qos: 2 });
    await team.until(4);
    assert.deepEqual(team.texts.toSorted(), ['1', '2', '3', '4']);
    for (const { member, text } of team.got) assert.ok(member === first || !wire.events.includes(text), `${text} went to both members`);
  },
});

/** All that the members of a group have taken for new, together. */
function countAll(members: NumberedSubscriber[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { seen } of members) for (const [key, count] of seen) counts.set(key, (counts.get(key) ?? 0) + count);
  return counts;
}

/** Resolves when the group has got everything that the publishers had acknowledged. */
async function complete(members: NumberedSubscriber[], publishers: NumberedPublisher[]): Promise<void> {
  const missing = (): string[] => {
    const counts = countAll(members);
    return publishers.flatMap(({ topic, acknowledged }) => [...acknowledged].map((n) => `${topic} ${n}`)).filter((key) => !counts.has(key));
  };
  const done = Promise.withResolvers<void>();
  const timer = setInterval(() => missing().length === 0 && done.resolve(), 50);
  try {
    await within(done.promise, 60_000, () => `${members[0]!.name}'s group to get ${missing().slice(0, 20).join(', ')}`);
  } finally {
    clearInterval(timer);
  }
}

test(`a group loses nothing and gives no QoS 2 event twice when killed at ${ROUNDS} random instants`, { timeout: 240_000 }, async () => {
  const random = createRandom('shared kill loop');
  await using folder = await createTempFolder();
  const data = folder.path;
  const publishers = [new NumberedPublisher('q1', 1, 40), new NumberedPublisher('q2', 2, 40)];
  const groups = ([1, 2] as const).map((qos) =>
    [0, 0, 15].map((acksEveryMs, i) => new NumberedSubscriber(`g${qos}-${i}`, qos, acksEveryMs, `g${qos}`)),
  );
  const members = groups.flat();
  {
    await using server = await startHydrant({ data });
    await Promise.all(members.map((member) => new Promise<void>((resolve) => void member.run(server.mqttUrl, resolve))));
    await server.kill();
  }
  for (let round = 1; round <= ROUNDS; round++) {
    await using server = await startHydrant({ data });
    const lifeMs = random.between(5, 400);
    const runs = publishers.map((publisher) => publisher.run(server.mqttUrl, 10));
    for (const member of members) {
      const plan = random.between(0, 3);
      if (plan === 0) continue;
      runs.push(sleep(plan === 1 ? random.between(0, lifeMs) : 0).then(() => member.run(server.mqttUrl)));
      if (plan === 2) runs.push(sleep(random.between(0, lifeMs)).then(() => member.leave()));
    }
    await sleep(lifeMs);
    await server.kill();
    await Promise.all(runs);
  }
  await using server = await startHydrant({ data });
  await Promise.all(publishers.map((publisher) => publisher.settle(server.mqttUrl)));
  for (const member of members) void member.run(server.mqttUrl);
  await Promise.all(groups.map((group) => complete(group, publishers)));
  await Promise.all(members.map((member) => member.leave()));
  assert.ok(
    publishers.every(({ sent }) => sent > 200),
    `${publishers.map(({ sent }) => sent)} events in ${ROUNDS} rounds`,
  );
  const twice = [...countAll(groups[1]!)].filter(([key, count]) => key.startsWith('load/q2 ') && count > 1);
  assert.deepEqual([...members.flatMap(({ failures }) => failures), ...twice].slice(0, 20), [], `seed ${random.seed}`);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});
