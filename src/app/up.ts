import { closeSync, openSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { errorText, HydrantError } from '../core/errors.ts';
import { keepCompiledCode, releaseStartUpMemory } from '../core/start-up.ts';
import { type AppLog, createJsonLog, createTextLog } from './app-log.ts';
import { readyBanner } from './banner.ts';
import { type ConfigInputs, type LoadedConfig, loadConfig } from './config.ts';
import { changedKeys } from './config-change.ts';
import { exposedListeners } from './config-rules.ts';
import { type Demo, startDemo } from './demo.ts';
import { liveKeys, type Server, startServer } from './server.ts';
import { isOpen, loadAccess, usersPath } from './server-access.ts';
import { createServiceManager, type ServiceManager } from './service-manager.ts';

export interface UpOptions {
  inputs: ConfigInputs;
  /** Publish believable events. */
  demo?: boolean;
  stdout: Writable & { isTTY?: boolean };
  /** The command line, for `lock.json`. */
  command: string;
  /** Of the package, for the banner. */
  version: string;
}

/** What is left of the process's time after the deadline for closing files. */
const GRACE_MS = 2000;
/** Start-up is over this long after the ready line. */
const SETTLE_MS = 1000;
const NPM_CHECK_MS = 250;

/**
 * Runs a server until SIGTERM or SIGINT, then drains it and resolves with 0. A second signal ends the process at once (130 for SIGINT,
 * else 1), and so does a drain that does not end by its deadline. SIGHUP reads the configuration again.
 * @throws what `loadConfig` and `startServer` throw
 */
export async function runUp(options: UpOptions): Promise<number> {
  const loaded = loadConfig(options.inputs);
  const up = new Up(options, loaded);
  await up.start();
  await up.stopped;
  await up.stop();
  return 0;
}

class Up {
  readonly #options: UpOptions;
  readonly #isText: boolean;
  readonly #log: AppLog;
  readonly #service: ServiceManager;
  readonly #stopWanted = Promise.withResolvers<void>();
  /** What runs, but for keys that a reload has changed already. */
  readonly #started: LoadedConfig;
  #current: LoadedConfig;
  #server: Server | undefined;
  #demo: Demo | undefined;
  #signals = 0;
  #reloadWanted = false;
  #reloading = false;

  constructor(options: UpOptions, loaded: LoadedConfig) {
    const { level, format } = loaded.config.log;
    this.#options = options;
    this.#started = loaded;
    this.#current = loaded;
    this.#isText = format === 'text' || (format === 'auto' && options.stdout.isTTY === true);
    this.#log = this.#isText ? createTextLog(options.stdout, level) : createJsonLog(options.stdout, level);
    this.#service = createServiceManager(options.inputs.env, this.#log.log);
  }

  /** Resolves when somebody wants the server to stop. */
  get stopped(): Promise<void> {
    return this.#stopWanted.promise;
  }

  async start(): Promise<void> {
    const { demo = false } = this.#options;
    const { config, dataDir } = this.#started;
    const access = loadAccess(this.#started);
    for (const { path, host } of isOpen(access) ? exposedListeners(config) : []) {
      this.#log.log('warn', 'ANYBODY who reaches this address can publish and read EVERYTHING: listeners.allowAnonymousRemote is set', {
        [path]: host,
      });
    }
    process.on('SIGTERM', this.#onStop);
    process.on('SIGINT', this.#onStop);
    process.on('SIGHUP', this.#onHangUp);
    try {
      const { command, version } = this.#options;
      this.#server = await startServer({ dataDir, config, access, command, version, log: this.#log.log });
    } catch (error) {
      this.#unwatch();
      throw error;
    }
    await this.#server.announce({ users: usersPath(this.#started) });
    this.#sayReady(this.#server, demo);
    if (demo) this.#demo = startDemo(this.#server.bus, { seed: Date.now() % 2 ** 31, log: this.#log.log });
    await this.#service.ready(this.#status());
    this.#watchNpm(this.#options.inputs.env);
    void this.#reloadAsWanted();
    setTimeout(() => {
      keepCompiledCode();
      releaseStartUpMemory();
    }, SETTLE_MS).unref();
  }

  async stop(): Promise<void> {
    const { deadline } = this.#current.config.shutdown;
    this.#log.log('info', 'stopping', { deadlineMs: deadline });
    const overdue = setTimeout(() => {
      this.#log.log('error', 'not everything could be closed by the deadline; what was acknowledged is safe');
      process.exit(1);
    }, deadline + GRACE_MS);
    void this.#service.stopping();
    await this.#demo?.close();
    await this.#server?.close({ deadlineMs: deadline });
    this.#service.close();
    clearTimeout(overdue);
    this.#log.log('info', 'stopped');
    this.#unwatch();
  }

  /** A SIGTERM to npm or npx ends their shell and never comes here: that the parent is gone is all there is to see of it. */
  #watchNpm(env: Record<string, string | undefined>): void {
    if (env.npm_lifecycle_event === undefined && env.npm_execpath === undefined) return;
    const parent = process.ppid;
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      this.#stopWanted.resolve();
    }, NPM_CHECK_MS).unref();
  }

  readonly #onStop = (signal: NodeJS.Signals): void => {
    if (++this.#signals > 1) process.exit(signal === 'SIGINT' ? 130 : 1);
    this.#stopWanted.resolve();
  };

  readonly #onHangUp = (): void => {
    if (this.#options.stdout.isTTY && terminalIsGone()) this.#stopWanted.resolve();
    else if (this.#signals === 0) {
      this.#reloadWanted = true;
      void this.#reloadAsWanted();
    }
  };

  /** One at a time, and once more for a SIGHUP that came meanwhile, or while the server started. */
  async #reloadAsWanted(): Promise<void> {
    if (!this.#server || this.#reloading) return;
    this.#reloading = true;
    while (this.#reloadWanted) {
      this.#reloadWanted = false;
      await this.#reload(this.#server);
    }
    this.#reloading = false;
  }

  async #reload(server: Server): Promise<void> {
    await this.#service.reloading();
    try {
      const next = loadConfig(this.#options.inputs);
      const access = loadAccess(next);
      const live = liveKeys(this.#started.config, next.config);
      const isLive = (key: string): boolean => live.some((at) => key === at || key.startsWith(`${at}.`));
      const applied = changedKeys(this.#current, next).filter(isLive);
      const needRestart = changedKeys(this.#started, next).filter((key) => !isLive(key));
      server.apply(next.config, access);
      this.#log.setLevel(next.config.log.level);
      this.#current = next;
      await server.announce({ users: usersPath(next), reload: { at: new Date().toISOString() } });
      this.#log.log('info', 'the configuration was read again', { event: 'reload', applied, needRestart });
    } catch (error) {
      const fix = error instanceof HydrantError ? error.fix : undefined;
      await server.announce({ reload: { at: new Date().toISOString(), error: errorText(error) } });
      this.#log.log('error', 'the configuration was not taken over; the old one stays', { event: 'reload', error: errorText(error), fix });
    }
    await this.#service.ready(this.#status());
  }

  #sayReady({ dataDir, listeners }: Server, demo: boolean): void {
    const { stdout, version, inputs } = this.#options;
    if (this.#isText) stdout.write(readyBanner({ version, dataDir, listeners, demo, env: inputs.env }));
    else
      stdout.write(
        `${JSON.stringify({ event: 'ready', data: dataDir, listeners, level: 'info', time: new Date().toISOString(), pid: process.pid, version })}\n`,
      );
  }

  #status(): string {
    return Object.values(this.#server!.listeners).join(' ');
  }

  #unwatch(): void {
    process.off('SIGTERM', this.#onStop);
    process.off('SIGINT', this.#onStop);
    process.off('SIGHUP', this.#onHangUp);
  }
}

/** SIGHUP also says that the window was closed in which the server ran; nobody wants it to go on unseen then. */
function terminalIsGone(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}
