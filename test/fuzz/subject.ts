import { equal } from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { findEvents, type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';
import { Canary } from './canary.ts';

/** Short times, so that what waits for them ends within a case; nothing else differs from a server with no configuration. */
const CONFIG = `
log: { level: error }
limits: { connectTimeout: 2s, stalled: 3s }
sessions: { maxExpiry: 3s }
journal: { exclude: ['fuzz/x/#'] }
`;
/** The longest that a server may take to let go of what peers have left behind, milliseconds. */
const SETTLE_MS = 30_000;
/** What one run may leave in memory beside the index of the journal: caches and compiled code, which do not grow with its length. */
const GROWTH_BYTES = 24 * 1024 * 1024;
/** What malloc keeps of the busiest moment. */
const GROWTH_RSS_BYTES = 512 * 1024 * 1024;

interface Holdings {
  bytes: number;
  rss: number;
  gauges: Record<string, number>;
}

/** A server under test, its canary, and what it held before anybody came. */
export class Subject implements AsyncDisposable {
  readonly server: HydrantServer;
  readonly canary: Canary;
  readonly #folder: TempFolder;
  /** With nobody there but the canary. */
  #alone: Record<string, number> = {};
  #before: Holdings | undefined;

  private constructor(server: HydrantServer, canary: Canary, folder: TempFolder) {
    this.server = server;
    this.canary = canary;
    this.#folder = folder;
  }

  static async start(): Promise<Subject> {
    const folder = await createTempFolder('hydrant-fuzz');
    const probe = new URL('memory-probe.mjs', import.meta.url).href;
    const env = { NODE_OPTIONS: `--import=${probe}` };
    const server = await startHydrant({ data: `${folder.path}/data`, config: CONFIG, env });
    const subject = new Subject(server, await Canary.start(server), folder);
    subject.#alone = (await subject.#look()).gauges;
    return subject;
  }

  /** What the server said since it was ready: at level error, so each line is a defect. */
  get complaints(): string[] {
    return this.server.child.lines.filter((line) => !/"event":"(?:ready|memory)"/.test(line));
  }

  /** Once everybody has gone, what memory is compared with later is what it is now. */
  async remember(): Promise<void> {
    this.#before = await this.#lookAlone(() => []);
  }

  /**
   * Everybody has gone: sessions, subscriptions, connections and memory are what they were.
   * @throws what is left
   */
  async checkLeftovers(): Promise<string> {
    const before = this.#before!;
    const now = await this.#lookAlone((each) => growth(before, each));
    return `memory ${mb(before.bytes)} → ${mb(now.bytes)}, resident ${mb(before.rss)} → ${mb(now.rss)}`;
  }

  /** Stops the server as an operator would, starts it again on the same folder, and looks for the canary's events. */
  async checkRestart(): Promise<void> {
    await this.canary.finish();
    const exit = await this.server.stop();
    equal(exit.code, 0, `SIGTERM ended it with ${JSON.stringify(exit)}`);
    await using again = await startHydrant({ data: this.server.data });
    this.canary.check(await findEvents(again.data, 'canary/#'));
    equal((await again.stop()).code, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.canary.destroy();
    await this.server[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  /** Looks until nobody is left but the canary and nothing is too much. @throws what is left */
  async #lookAlone(judge: (now: Holdings) => string[]): Promise<Holdings> {
    const deadline = performance.now() + SETTLE_MS;
    for (;;) {
      const now = await this.#look();
      const left = [...visitors(this.#alone, now.gauges), ...judge(now)];
      if (left.length === 0) return now;
      if (performance.now() > deadline) throw new Error(`left behind ${SETTLE_MS / 1000} s after everybody had gone: ${left.join('; ')}`);
      await wait(250);
    }
  }

  async #look(): Promise<Holdings> {
    const earlier = this.server.child.lines.length;
    process.kill(this.server.pid, 'SIGUSR2');
    let line = 0;
    const memory = await this.server.child.line(
      (text) => (line++ >= earlier && text.includes('"event":"memory"') ? (JSON.parse(text) as Holdings) : undefined),
      SETTLE_MS,
      'what it holds',
    );
    const text = await (await fetch(new URL('/metrics', this.server.httpUrl))).text();
    const gauges = Object.fromEntries(
      [...text.matchAll(/^(hydrant_\w+) (\d+(?:\.\d+)?)$/gm)].map(([, name, value]) => [name, Number(value)]),
    );
    return { bytes: memory.bytes, rss: memory.rss, gauges };
  }
}

function visitors(alone: Record<string, number>, now: Record<string, number>): string[] {
  return ['hydrant_connections', 'hydrant_sessions', 'hydrant_subscriptions'].flatMap((name) =>
    now[name] === alone[name] ? [] : [`${name} ${alone[name]} → ${now[name]}`],
  );
}

function growth(before: Holdings, now: Holdings): string[] {
  const index = Math.max(0, now.gauges.hydrant_journal_index_bytes! - before.gauges.hydrant_journal_index_bytes!);
  const bytes = now.bytes - before.bytes - index;
  const resident = now.rss - before.rss - index;
  return [
    ...(bytes > GROWTH_BYTES ? [`${mb(bytes)} of memory more, the index not counted`] : []),
    ...(resident > GROWTH_RSS_BYTES ? [`resident ${mb(before.rss)} → ${mb(now.rss)}`] : []),
  ];
}

function mb(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
