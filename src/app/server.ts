import { join } from 'node:path';
import { AccountAccess } from '../access/account-access.ts';
import type { AccessSettings } from '../access/settings.ts';
import { createHistory } from '../archive/read/history.ts';
import { openBroker } from '../broker/broker.ts';
import { ClientTable } from '../broker/client-table.ts';
import { STATE_STEPS } from '../broker/session-state.ts';
import type { Bus } from '../bus/bus.ts';
import type { Log } from '../core/log.ts';
import { StateStore } from '../core/state-store.ts';
import { type HttpServer, openHttpServer } from '../http/http-server.ts';
import { createMetrics, type Sample } from '../http/metrics.ts';
import { webSocketTransport } from '../mqtt/transport.ts';
import type { Config } from './config-schema.ts';
import { openDataFolder } from './data-folder.ts';
import type { LockFacts } from './folder-lock.ts';
import { isTlsDoor, openDoors } from './listener-options.ts';
import { type ListenerUrls, openListeners, openTls } from './listeners.ts';
import { openArchive } from './open-archive.ts';
import { openConfiguredJournal } from './open-journal.ts';
import { createOperatorToken } from './operator-token.ts';
import { readinessFaults, readinessNotes } from './readiness.ts';
import { serverSamples } from './server-metrics.ts';

export interface ServerOptions {
  /** Absolute path of the data folder. */
  dataDir: string;
  config: Config;
  /** Of the same configuration: `loadAccess`. */
  access: AccessSettings;
  /** What `lock.json` tells people who ask who runs here. */
  command: string;
  /** Of the package. */
  version: string;
  /** More for /metrics, of roles that run on the bus of this server. */
  samples?: () => Sample[];
  log: Log;
}

export interface Server {
  readonly dataDir: string;
  readonly listeners: ListenerUrls;
  readonly bus: Bus;
  /** Tells other commands, in the data folder's `lock.json`. */
  announce(facts: LockFacts): Promise<void>;
  /**
   * Takes over the keys of `liveKeys`, and accounts; the others wait for a restart.
   * @throws HYD_CONFIG when a certificate cannot be used: nothing has changed then
   */
  apply(next: Config, access: AccessSettings): void;
  /**
   * Stops accepting, lets what is under way finish, then closes everything in reverse order of opening. What is not done
   * at the deadline is cut. Twice is fine.
   */
  close(options: { deadlineMs: number }): Promise<void>;
}

const LIVE_KEYS = [
  'log.level',
  'shutdown',
  'health',
  'sessions',
  'limits.inFlight',
  'limits.receiveMaximum',
  'limits.topicAliases',
  'limits.keepAlive',
  'limits.queuedBytes',
  'limits.queuedMessages',
  'limits.stalled',
  'limits.connections',
  'limits.connectionsPerAddress',
  'limits.connectRate',
  'limits.sessions',
  'limits.subscriptions',
  'limits.topicLevels',
  'limits.publishRate',
  'limits.retained',
  'limits.connectTimeout',
  'preset',
  'acl',
  'access',
  'http.origins',
  'sys',
  'clients',
  'journal.qos0',
  'journal.exclude',
  'archive.exclude',
  'archive.retention',
  'archive.compact',
];

/** Keys, or sections of keys, that a running server takes over. Certificates, when it has doors that show them and is to keep those. */
export function liveKeys(running: Config, next: Config): string[] {
  const keepsTls = [running, next].every((config) => config.tls.cert !== undefined && openDoors(config).some(isTlsDoor));
  return keepsTls ? [...LIVE_KEYS, 'tls.cert', 'tls.key', 'tls.ca', 'tls.minVersion'] : LIVE_KEYS;
}

/**
 * Builds a server bottom up: data folder, journal, state, archive, broker, HTTP, listeners. When one cannot be opened, those before it
 * are closed again.
 * @throws HYD_DATA_BUSY, HYD_DATA_FORMAT, HYD_PORT_BUSY, HYD_CONFIG
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { dataDir, log } = options;
  let { config } = options;
  let deadlineAtMs = 0;
  const leftMs = () => Math.max(0, deadlineAtMs - performance.now());
  await using opening = new AsyncDisposableStack();

  const tls = await openTls(config, log, () => config.limits);
  opening.defer(() => tls?.close());
  const { identity, lock } = await openDataFolder(dataDir, { command: options.command });
  opening.defer(() => lock.release());
  const journal = opening.use(await openConfiguredJournal(dataDir, identity.journal, config, log));
  // Nothing may be removed before the broker has said what its absent clients still need.
  const untilBroker = journal.hold('the broker is opening');
  const store = opening.use(new StateStore(join(dataDir, 'state.db'), { steps: STATE_STEPS, log }));
  const archive = await openArchive({ dataDir, config, journal, log });
  opening.defer(() => archive.close({ deadlineMs: leftMs() }));
  const history = createHistory(archive.catalogue, [...(identity.previous ?? []), identity.journal], log);
  const { sessions, limits, sys, clients } = config;
  const access = new AccountAccess(options.access, { log });
  opening.defer(() => access.close());
  const brokerOptions = { sessions, limits, journal: config.journal, sys, clients };
  const broker = await openBroker({ journal, store, history, access, options: brokerOptions, version: options.version, log });
  untilBroker.release();
  opening.defer(() => broker.close({ deadlineMs: leftMs() }));
  const operator = opening.use(await createOperatorToken(dataDir));
  const http: HttpServer = await openHttpServer({
    bus: broker.bus,
    access,
    clients: new ClientTable(broker),
    operatorToken: operator.token,
    origins: () => config.http.origins,
    acceptWebSocket: (websocket, { socket }, shown) => broker.accept(webSocketTransport(websocket, socket, shown)),
    onRefused: ({ user, address }, reason, what) => broker.refusals.note({ clientId: `http:${user}`, user, remote: address }, reason, what),
    readiness: () => readinessFaults({ dataDir, minFreeBytes: config.health.minFreeBytes, journal, store }),
    notes: () => readinessNotes(archive.uploader?.statistics),
    metrics: createMetrics(() => [...serverSamples({ journal, broker, archive, http, tls }), ...(options.samples?.() ?? [])]),
    maxBodyBytes: limits.packetBytes,
    log,
  });
  opening.defer(() => http.close({ deadlineMs: leftMs() }));
  const listeners = await openListeners(config, { broker, http, tls, log }, opening);
  await lock.announce({ listeners });

  const opened = opening.move();
  return {
    dataDir,
    listeners,
    bus: broker.bus,
    announce: (facts) => lock.announce(facts),
    apply(next, nextAccess) {
      const useCertificates = next.tls.cert === undefined ? undefined : tls?.prepare(next.tls);
      broker.options.sessions = next.sessions;
      broker.options.limits = { ...next.limits, packetBytes: limits.packetBytes };
      broker.options.journal = next.journal;
      broker.options.sys = next.sys;
      broker.options.clients = next.clients;
      archive.configure(next);
      useCertificates?.();
      config = next;
      access.apply(nextAccess);
      http.onAccessChange();
    },
    async close({ deadlineMs }) {
      deadlineAtMs = performance.now() + deadlineMs;
      await opened.disposeAsync();
    },
  };
}
