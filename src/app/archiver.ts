import { join } from 'node:path';
import { INBOX_STEPS } from '../archive/intake/inbox.ts';
import { openIntake } from '../archive/intake/intake.ts';
import { openMqttBus } from '../bus/mqtt/mqtt-bus.ts';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { StateStore } from '../core/state-store.ts';
import { archiverHealth, isConnected } from './archiver-health.ts';
import { readBrokerTls } from './broker-tls.ts';
import type { Config } from './config-schema.ts';
import { openDataFolder } from './data-folder.ts';
import type { LockFacts } from './folder-lock.ts';
import { openHealthDoor } from './health-door.ts';
import { openArchive } from './open-archive.ts';
import { openConfiguredJournal } from './open-journal.ts';

export interface ArchiverOptions {
  /** Absolute path of the data folder. */
  dataDir: string;
  config: Config;
  /** For the broker, where the configuration names none. */
  account?: Account;
  /** What `lock.json` tells people who ask who runs here. */
  command: string;
  log: Log;
}

export interface Account {
  username?: string | undefined;
  password?: string | undefined;
}

/** Reads a broker into the archive of a data folder. */
export interface Archiver {
  readonly dataDir: string;
  readonly clientId: string;
  /** Where it answers /healthz, /readyz and /metrics, if it does. */
  readonly healthUrl: string | undefined;
  /** Resolves once the broker has granted the subscription, however long it cannot be reached. Rejects when it refuses. */
  readonly subscribed: Promise<void>;
  /** Rejects when the intake cannot go on: the client id was taken over, the account was closed. */
  readonly ended: Promise<void>;
  /** Tells other commands, in the data folder's `lock.json`. */
  announce(facts: LockFacts): Promise<void>;
  /** Takes over the keys of `ARCHIVER_LIVE_KEYS`; the others wait for a restart. */
  apply(next: Config): void;
  /**
   * Takes nothing more, acknowledges what is on disk, leaves the broker, closes and seals the open segment, uploads what the time allows.
   * Twice is fine.
   */
  close(options: { deadlineMs: number }): Promise<void>;
}

/** Keys, or sections of keys, that a running archiver takes over. */
export const ARCHIVER_LIVE_KEYS = [
  'log.level',
  'shutdown',
  'health.minFreeBytes',
  'archive.exclude',
  'archive.retention',
  'archive.compact',
];

/** Of the time there is to stop, what may go into waiting for the disk. */
const INTAKE_SHARE = 0.5;
const NOTHING = { filters: [], regex: [] };

/**
 * Builds an archiver bottom up: data folder, journal, archive, bus, intake. What an earlier run left is sealed and uploaded beside it.
 * @throws HYD_USAGE without a broker, HYD_DATA_BUSY, HYD_DATA_FORMAT, HYD_CONFIG
 */
export async function startArchiver(options: ArchiverOptions): Promise<Archiver> {
  const { dataDir, log } = options;
  let { config } = options;
  const { broker } = config.archive;
  if (broker.urls.length === 0)
    throw new HydrantError('HYD_USAGE', 'no broker is named', {
      fix: 'Give --broker mqtt://HOST:PORT or archive.broker.urls, or one of the subcommands: `hydrant archive --help`.',
    });
  const tls = readBrokerTls(broker.tls);
  let deadlineAtMs = 0;
  const leftMs = () => Math.max(0, deadlineAtMs - performance.now());
  await using opening = new AsyncDisposableStack();

  const { identity, lock } = await openDataFolder(dataDir, { command: options.command });
  opening.defer(() => lock.release());
  const journal = opening.use(await openConfiguredJournal(dataDir, identity.journal, config, log));
  // Nothing may be removed before the inbox has said what it still needs.
  const untilIntake = journal.hold('the intake is opening');
  const store = opening.use(new StateStore(join(dataDir, 'intake.db'), { steps: INBOX_STEPS, log }));
  const archive = await openArchive({ dataDir, config: withoutExclude(config), journal, log });
  opening.defer(() => archive.close({ deadlineMs: leftMs() }));
  const clientId = broker.clientId ?? `archive-${identity.journal.slice(0, 12)}`;
  const bus = opening.use(
    await openMqttBus({
      urls: broker.urls,
      ...accountOf(options),
      version: broker.version,
      keepAliveSeconds: Math.ceil(broker.keepAlive / 1000),
      sessionExpirySeconds: Math.ceil(broker.sessionExpiry / 1000),
      tls,
      log,
    }),
  );
  const intake = await openIntake(
    { bus, isConnected: () => isConnected(bus), journal, store, log },
    {
      filters: broker.filters,
      durable: clientId,
      brokers: broker.urls,
      exclude: config.archive.exclude,
      retained: broker.retained,
      maxInFlight: broker.receiveMaximum,
    },
  );
  untilIntake.release();
  const health = archiverHealth({ dataDir, config: () => config, journal, store, archive, bus, intake });
  const healthUrl = await openHealthDoor(config.health, health, opening);

  const opened = opening.move();
  return {
    dataDir,
    clientId,
    healthUrl,
    subscribed: intake.subscribed,
    ended: intake.ended,
    announce: (facts) => lock.announce(facts),
    apply(next) {
      intake.configure({ exclude: next.archive.exclude });
      archive.configure(withoutExclude(next));
      config = next;
    },
    async close({ deadlineMs }) {
      deadlineAtMs = performance.now() + deadlineMs;
      await intake.drain({ deadlineMs: deadlineMs * INTAKE_SHARE });
      try {
        const leaving = intake.close({ deadlineMs: 0 }).then(() => bus.close());
        await Promise.all([leaving, journal.state === 'ok' ? archive.drain({ deadlineMs: leftMs() }) : undefined]);
      } finally {
        await opened.disposeAsync();
      }
    },
  };
}

/** What is excluded never comes as far as the journal. */
function withoutExclude(config: Config): Config {
  return { ...config, archive: { ...config.archive, exclude: NOTHING } };
}

function accountOf({ config, account }: ArchiverOptions): { username?: string; password?: string } {
  const { username = account?.username, password = account?.password } = config.archive.broker;
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}
