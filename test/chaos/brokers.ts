import { join } from 'node:path';
import { writeUsers } from '../../src/testing/accounts.ts';
import { findEvents, type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort, type Mosquitto, startMosquitto } from '../../src/testing/mosquitto.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness, type Witness } from '../../src/testing/witness.ts';
import type { FaultKind } from './plan.ts';

/** An event that the broker took. */
export interface Arrival {
  text: string;
  id: string | undefined;
}

/** A broker on one port, over any number of its lives. */
export interface ChaosBroker extends AsyncDisposable {
  readonly name: string;
  /** What it can be made to suffer without losing on its own account what it has acknowledged. */
  readonly kinds: readonly FaultKind[];
  readonly port: number;
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** With `empty` it has forgotten everything. */
  start(options?: { empty?: boolean }): Promise<void>;
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** All that it took in the order in which it came, once these have. */
  arrivals(wanted: ReadonlySet<string>): Promise<Arrival[]>;
}

const FILTER = 'chaos/#';
/** The user property that says under which id an event was published. */
const ID_PROPERTY = 'hydrant-id';
const PATIENCE_MS = 60_000;
/** What every broker comes through that keeps what it has when it is stopped. */
const KINDS_OF_ANY: readonly FaultKind[] = [
  'stop the broker',
  'freeze the broker',
  'wipe the session',
  'black hole',
  'reset connections',
  'cut what the client sends',
  'cut what the broker sends',
  'fill the disk',
  'kill the client',
  'set the clock',
];

/** Ours. What came stands in its journal, and in those of the data folders that it had before. */
export async function createHydrantBroker(): Promise<ChaosBroker> {
  const folder = await createTempFolder('chaos-hydrant');
  const port = await freePort();
  const [username, password] = ['chaos', 'chaos-password'];
  await writeUsers(folder.path, { [username]: password });
  const set = {
    'listeners.mqtt.port': port,
    'access.users': join(folder.path, 'users'),
    'access.attempts.delay': '10ms',
    'access.attempts.maxDelay': '10ms',
  };
  const folders: string[] = [];
  let server: HydrantServer | undefined;
  return {
    name: 'Hydrant',
    kinds: [...KINDS_OF_ANY, 'kill the broker', 'replace the data of the broker', 'refuse the login'],
    port,
    url: `mqtt://127.0.0.1:${port}`,
    username,
    password,
    async start({ empty = folders.length === 0 } = {}) {
      if (empty) folders.push(join(folder.path, `data-${folders.length}`));
      server = await startHydrant({ data: folders.at(-1)!, set });
    },
    async kill(signal) {
      await server!.kill(signal);
    },
    signal: (signal) => server!.child.signal(signal),
    async arrivals() {
      await server!.stop();
      const arrivals: Arrival[] = [];
      for (const data of folders) {
        for (const { payload, props } of await findEvents(data, FILTER)) {
          const id = props?.user?.find(([name]) => name === ID_PROPERTY)?.[1];
          arrivals.push({ text: textOf(payload), id });
        }
      }
      return arrivals;
    },
    [Symbol.asyncDispose]: () => disposeAll(server, folder),
  };
}

/** Debian's Mosquitto, keeping what it has when it is stopped; what it has acknowledged is lost when it is killed, so nobody kills it here. */
export async function createMosquittoBroker(): Promise<ChaosBroker> {
  const folder = await createTempFolder('chaos-mosquitto');
  const port = await freePort();
  const url = `mqtt://127.0.0.1:${port}`;
  let server: Mosquitto | undefined;
  let witness: Witness | undefined;
  return {
    name: 'Mosquitto',
    kinds: KINDS_OF_ANY,
    port,
    url,
    username: 'chaos',
    password: 'anything',
    async start() {
      server = await startMosquitto({ port, persistence: folder.path, config: ['max_queued_messages 0'] });
      witness ??= await startWitness(url, [FILTER]);
    },
    async kill(signal) {
      await server!.kill(signal);
    },
    signal: (signal) => void server!.kill(signal),
    async arrivals(wanted) {
      await witness!.seen(wanted.size, PATIENCE_MS).catch(() => {});
      return witness!.events.map(({ text, id }) => ({ text: textOf(Buffer.from(text)), id }));
    },
    [Symbol.asyncDispose]: () => disposeAll(witness, server, folder),
  };
}

/** The three words that an event's payload begins with; the rest fills it up. */
function textOf(payload: Uint8Array): string {
  return Buffer.from(payload).toString().split(' ', 3).join(' ');
}

async function disposeAll(...things: (HydrantServer | Mosquitto | Witness | TempFolder | undefined)[]): Promise<void> {
  for (const thing of things) await thing?.[Symbol.asyncDispose]();
}
