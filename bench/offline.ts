import { generate } from './generator.ts';
import { RawClient } from './raw-client.ts';
import type { Result } from './results.ts';
import { type HydrantServer, removeData, residentMb, startHydrant } from './servers.ts';
import type { RunOptions } from './throughput.ts';

const SESSIONS = 1000;
const OTHERS = 1_000_000;
const OTHER_TOPICS = 100_000;
/** Of each session's own, on each of its two filters; half of them before the others, half after. */
const EVENTS_PER_FILTER = 4;
const PATIENCE_MS = 120_000;

/**
 * A thousand persistent sessions, each with one exact filter and one with `+`, go offline. Each gets a few events, among a million that
 * concern none of them, over 100 000 topics. Then all come back at once. How long until every one has got its own?
 */
export async function runOffline(options: RunOptions): Promise<Result['runs']> {
  const figures: Record<string, number[]> = { catchUpSeconds: [], rssBeforeMb: [], rssAfterMb: [], indexMb: [] };
  for (let run = 0; run < options.runs; run++) {
    const server = await startHydrant(options.folder);
    try {
      await createSessions(server);
      figures.rssBeforeMb!.push(residentMb(server));
      await publishOwn(server);
      await generate(server, { publishers: 4, subscribers: 0, qos: 1, bytes: 100, window: 2000, topics: OTHER_TOPICS }, OTHERS);
      await publishOwn(server);
      figures.catchUpSeconds!.push(await comeBack(server));
      figures.rssAfterMb!.push(residentMb(server));
      figures.indexMb!.push(await readIndexMb(server));
    } finally {
      await server.stop();
    }
    await removeData(server);
  }
  return { hydrant: figures };
}

async function createSessions(server: HydrantServer): Promise<void> {
  for (let i = 0; i < SESSIONS; i++) {
    const client = new RawClient(server.mqttPort);
    await client.connect(`session-${i}`);
    await client.subscribe([`own/node${i}/state`, `own/+/to-node${i}`]);
    await client.close();
  }
}

async function publishOwn(server: HydrantServer): Promise<void> {
  const client = new RawClient(server.mqttPort);
  await client.connect('publisher');
  for (let n = 0; n < EVENTS_PER_FILTER / 2; n++) {
    const sent: Promise<void>[] = [];
    for (let i = 0; i < SESSIONS; i++) {
      sent.push(client.publish(`own/node${i}/state`, `${n}`), client.publish(`own/site${n}/to-node${i}`, `${n}`));
    }
    await Promise.all(sent);
  }
  await client.close();
}

/** Seconds from the first connection to the last event. */
async function comeBack(server: HydrantServer): Promise<number> {
  const start = performance.now();
  const clients: RawClient[] = [];
  await Promise.all(
    Array.from({ length: SESSIONS }, async (_, i) => {
      const client = new RawClient(server.mqttPort);
      clients.push(client);
      const complete = receiveOwn(client, i);
      if (!(await client.connect(`session-${i}`))) throw new Error(`session-${i} is gone`);
      await complete;
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  await Promise.all(clients.map((client) => client.close()));
  return seconds;
}

/** Resolves with the last event; rejects on one that is not this session's, on one too many, and when some do not come. */
function receiveOwn(client: RawClient, i: number): Promise<void> {
  const wanted = EVENTS_PER_FILTER * 2;
  return new Promise((resolve, reject) => {
    let got = 0;
    const timer = setTimeout(() => reject(new Error(`session-${i} has ${got} of ${wanted} events`)), PATIENCE_MS);
    client.onMessage = (topic) => {
      if (topic !== `own/node${i}/state` && !topic.endsWith(`/to-node${i}`)) reject(new Error(`session-${i} got ${topic}`));
      if (++got > wanted) reject(new Error(`session-${i} got more than ${wanted} events`));
      if (got !== wanted) return;
      clearTimeout(timer);
      resolve();
    };
  });
}

async function readIndexMb(server: HydrantServer): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
  const match = /^hydrant_journal_index_bytes (\S+)$/m.exec(metrics);
  if (!match) throw new Error('/metrics has no hydrant_journal_index_bytes');
  return Number(match[1]) / 2 ** 20;
}
