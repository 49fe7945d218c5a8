import { execFile, execFileSync } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Result } from './results.ts';
import { removeData, startHydrant } from './servers.ts';
import { alone, type RunOptions } from './throughput.ts';

/** Published and not yet settled. Of these as many are on their way as the server allows: 1 000. */
const OUTSTANDING = 4000;
/** MQTT.js sends all that it is given, and is cut off above what the server allows. */
const WINDOW = 1000;
const BACKLOG = 1_000_000;
/** What the guide tells whoever has little memory; its series have `-small` behind their names. */
export const SMALL = ['--max-semi-space-size=2', '--max-old-space-size=200'];
const PLAIN: string[] = [];
/** On another channel, while the backlog is sent. */
const LIVE_PER_SECOND = 200;

const CHILD = new URL('outbox-child.mjs', import.meta.url).pathname;
const BUILD = new URL('../scripts/build.mjs', import.meta.url).pathname;

type Figures = Record<string, number>;

/**
 * The reliable client as a user has it: the compiled package under plain Node and with the flags for little memory, each series in a process of its own. MQTT.js and SQLite do
 * what of it they can do, in the same run.
 */
export async function runOutbox(options: RunOptions): Promise<Result['runs']> {
  execFileSync(process.execPath, [BUILD], { stdio: 'inherit' });
  const folder = await mkdtemp(join(options.folder, 'outbox-'));
  const server = await startHydrant(options.folder);
  const url = `mqtt://127.0.0.1:${server.mqttPort}`;
  const { seconds } = options;
  const load = { seconds, outstanding: OUTSTANDING };
  const filled = join(folder, 'filled');
  const runs: Result['runs'] = {};
  const add = (series: string, figures: Figures): void => {
    runs[series] ??= {};
    for (const [figure, value] of Object.entries(figures)) {
      runs[series][figure] ??= [];
      runs[series][figure].push(value);
    }
  };
  const nameOf = (series: string, flags: string[]): string => (flags === SMALL ? `${series}-small` : series);
  /** One series on an outbox of its own. */
  const measure = async (series: string, more: object, flags = PLAIN): Promise<void> => {
    const outbox = join(folder, series);
    add(nameOf(series, flags), await runChild({ series, outbox, ...more }, flags));
    await rm(outbox, { recursive: true, force: true });
    await rm(`${outbox}.db`, { force: true });
  };
  /** What was filled is sent. */
  const send = async (flags: string[]): Promise<void> => {
    const outbox = join(folder, 'backlog');
    await cp(filled, outbox, { recursive: true });
    const task = { series: 'backlog', outbox, url, events: BACKLOG, perSecond: LIVE_PER_SECOND };
    add(nameOf('backlog', flags), await runChild(task, flags));
    await rm(outbox, { recursive: true });
  };
  try {
    server.freeze();
    add('fill', await runChild({ series: 'fill', outbox: filled, events: BACKLOG }));
    for (let run = 0; run < options.runs; run++) {
      await measure('sqlite', { seconds });
      for (const flags of [PLAIN, SMALL]) await measure('stored', load, flags);
      await alone(server, async () => {
        await measure('mqttjs', { url, seconds, outstanding: WINDOW });
        for (const flags of [PLAIN, SMALL]) {
          await measure('acked', { url, ...load }, flags);
          await send(flags);
        }
      });
    }
  } finally {
    await server.stop();
    await removeData(server);
    await rm(folder, { recursive: true });
  }
  return runs;
}

async function runChild(task: object, flags = PLAIN): Promise<Figures> {
  const args = [...flags, '--disable-warning=ExperimentalWarning', CHILD, JSON.stringify(task)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Figures;
}
