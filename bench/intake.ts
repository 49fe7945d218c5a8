import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { readMark } from '../src/journal/mark.ts';
import { listSegmentFiles, readSegmentEnds } from '../src/journal/segment-files.ts';
import { generate, type Load } from './generator.ts';
import type { Result } from './results.ts';
import { startScriptedPeer } from './scripted-peer.ts';
import { peakMb, type Server, startArchiver, startMosquitto } from './servers.ts';
import type { RunOptions } from './throughput.ts';

const FLOW = { qos: 1, bytes: 100, window: 500 } as const;
const SESSION = 4711;
/** How the archiver's segments end while it is measured, so that sealing and uploading are under way too. */
const SMALL_SEGMENTS = ['journal.rotate.bytes=16MiB'];

/** What one reader got out of a broker that others published to. */
interface Taken {
  perSecond: number;
  peak_mb: number;
}

export const INTAKE_CASES = [
  { series: 'live', title: '1 publisher', publishers: 1, backlog: false },
  { series: 'live-50', title: '50 publishers', publishers: 50, backlog: false },
  { series: 'backlog', title: 'a backlog that the broker has queued', publishers: 1, backlog: true },
] as const;

type Case = (typeof INTAKE_CASES)[number];

/**
 * What comes out of Mosquitto a second: into a subscriber that only acknowledges, and into `hydrant archive`, every event on disk before its
 * acknowledgement; then with segments sealed and uploaded to another folder meanwhile. A new Mosquitto for each run. Last the archiver alone
 * against a peer that only sends.
 */
export async function runIntake(options: RunOptions): Promise<Result['runs']> {
  const runs: Result['runs'] = {};
  const note = (series: string, figures: Record<string, number>): void => {
    runs[series] ??= {};
    for (const [name, value] of Object.entries(figures)) {
      runs[series][name] ??= [];
      runs[series][name].push(value);
    }
  };
  for (let run = 0; run < options.runs; run++) {
    for (const each of INTAKE_CASES) {
      const count = 100_000 * Math.max(1, options.seconds);
      note(`null-${each.series}`, { ...(await withMosquitto(options, (server) => nullSubscriber(server, each, count))) });
      for (const [name, uploads] of [
        ['archive', false],
        ['upload', true],
      ] as const) {
        note(`${name}-${each.series}`, { ...(await withMosquitto(options, (server) => archive(server, each, count, options, uploads))) });
      }
    }
    note('ceiling', { ...(await ceiling(options)) });
  }
  note('machine', packSpeed());
  return runs;
}

async function withMosquitto<T>(options: RunOptions, work: (server: Server) => Promise<T>): Promise<T> {
  const server = await startMosquitto(options.folder);
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

async function nullSubscriber(server: Server, { publishers, backlog }: Case, count: number): Promise<Taken> {
  const reader: Load = { ...FLOW, publishers: 0, subscribers: 1, session: SESSION };
  if (backlog) {
    await generate(server, reader, 0);
    await publish(server, publishers, count);
  }
  const reading = generate(server, reader, count);
  if (!backlog) {
    await sleep(500);
    await publish(server, publishers, count);
  }
  const { dlv_per_s, lost } = await reading;
  if (lost > 0) throw new Error(`the subscriber missed ${lost} of ${count}`);
  return { perSecond: dlv_per_s, peak_mb: 0 };
}

async function archive(
  server: Server,
  { publishers, backlog }: Case,
  count: number,
  options: RunOptions,
  uploads: boolean,
): Promise<Taken> {
  const data = await mkdtemp(join(options.folder, 'archive-'));
  const to = uploads ? `file://${await mkdtemp(join(options.folder, 'uploaded-'))}` : undefined;
  const start = () => startArchiver(`mqtt://127.0.0.1:${server.mqttPort}`, { data, to, set: uploads ? SMALL_SEGMENTS : [] });
  let archiver = await start();
  try {
    let rate: Promise<number>;
    if (backlog) {
      await archiver.stop();
      await publish(server, publishers, count);
      rate = journalled(data, count);
      archiver = await start();
    } else {
      rate = journalled(data, count);
      await publish(server, publishers, count);
    }
    return { perSecond: await rate, peak_mb: peakMb(archiver) };
  } finally {
    await archiver.stop();
    await rm(data, { recursive: true });
    if (to) await rm(new URL(to), { recursive: true });
  }
}

async function publish(server: Server, publishers: number, count: number): Promise<void> {
  await generate(server, { ...FLOW, publishers, subscribers: 0 }, count);
}

/** Events on disk a second, from the arrival of the first to the moment when the last is durable. */
async function journalled(data: string, count: number): Promise<number> {
  const journal = join(data, 'journal');
  let begin: { seq: number; ms: number } | undefined;
  for (;;) {
    const mark = await readMark(journal);
    const nowMs = Date.now();
    const [first] = begin ? [] : await listSegmentFiles(journal);
    const ends = first && (await readSegmentEnds(first.path, first.bytes));
    if (first && ends) begin = { seq: first.first, ms: ends.minMs };
    if (begin && mark && mark.seq - begin.seq + 1 >= count) return (count * 1000) / (nowMs - begin.ms);
    await sleep(10);
  }
}

async function ceiling(options: RunOptions): Promise<Taken> {
  const count = 200_000 * Math.max(1, options.seconds);
  const peer = await startScriptedPeer({ count, bytes: FLOW.bytes, window: 5000 });
  const data = await mkdtemp(join(options.folder, 'archive-'));
  const archiver = await startArchiver(`mqtt://127.0.0.1:${peer.port}`, { data, args: ['-V', '311'] });
  try {
    const seconds = await peer.done.promise;
    return { perSecond: count / seconds, peak_mb: peakMb(archiver) };
  } finally {
    peer.close();
    await archiver.stop();
    await rm(data, { recursive: true });
  }
}

/** MB of archive lines that one core packs a second, at the levels that the sealer uses. */
function packSpeed(): Record<string, number> {
  const line = (i: number) =>
    `{"v":1,"ts":"2026-11-21T10:00:00.${String(i % 1000).padStart(3, '0')}000001Z","topic":"bench/t${i % 50}","data":"${Buffer.from(`x${i}`.padEnd(100, 'x')).toString('base64')}","seq":${i},"qos":1,"crc":"${((i * 2654435761) % 2 ** 32).toString(16).padStart(8, '0')}"}\n`;
  const block = Buffer.from(Array.from({ length: 4500 }, (_, i) => line(i)).join(''));
  const speed = (pack: (bytes: Buffer) => Buffer): number => {
    const start = performance.now();
    let blocks = 0;
    for (; performance.now() - start < 2000; blocks++) pack(block);
    return (blocks * block.length) / 1e6 / ((performance.now() - start) / 1000);
  };
  return { gzipMbPerSecond: speed((bytes) => gzipSync(bytes, { level: 6 })), zstdMbPerSecond: speed((bytes) => zstdCompressSync(bytes)) };
}
