import { closeSync, openSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { errorFix, errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { keepCompiledCode, releaseStartUpMemory } from '../core/start-up.ts';
import { type AppLog, createJsonLog, createTextLog } from './app-log.ts';
import { type ConfigInputs, type LoadedConfig, loadConfig } from './config.ts';
import { changedKeys } from './config-change.ts';
import type { Config } from './config-schema.ts';
import type { LockFacts } from './folder-lock.ts';
import { createServiceManager, type ServiceManager } from './service-manager.ts';

export interface ServiceOptions {
  inputs: ConfigInputs;
  stdout: Writable & { isTTY?: boolean };
  /** The command line, for `lock.json`. */
  command: string;
  /** Of the package. */
  version: string;
}

/** What a process is started for. */
export interface Role {
  /** Resolves once everything is open; `ready` says when it works. */
  start(loaded: LoadedConfig, log: Log): Promise<RunningRole>;
}

export interface RunningRole {
  /** Resolves once it does what it is for; rejects when it never will. */
  readonly ready: Promise<void>;
  /** Rejects when it cannot go on by itself. */
  readonly failed: Promise<never>;
  /** Resolves when it has done all there was to do. Default: never. */
  readonly ended?: Promise<void>;
  /** What is said when it is ready: to people, and as fields of the ready line to programs. */
  sayReady(): { banner: string; facts: Record<string, unknown> };
  /** Called after that. */
  begin?(): void;
  /** A few words for systemd. */
  readonly status: string;
  /** Looks at what only a restart takes over. @throws HYD_CONFIG when it would not */
  check?(next: LoadedConfig): Promise<unknown>;
  /** Keys, or sections of keys, that it takes over while it runs. */
  liveKeys(next: Config): string[];
  /**
   * Takes those keys over.
   * @returns what other commands are told of it
   * @throws HYD_CONFIG: nothing has changed then
   */
  apply(next: LoadedConfig): LockFacts;
  /** Tells other commands, in the data folder's `lock.json`. */
  announce(facts: LockFacts): Promise<void>;
  /** Lets what is under way finish, then closes everything; what is not done at the deadline is cut. */
  close(options: { deadlineMs: number }): Promise<void>;
}

/** What is left of the process's time after the deadline for closing files. */
const GRACE_MS = 2000;
/** Start-up is over this long after the ready line. */
const SETTLE_MS = 1000;
const NPM_CHECK_MS = 250;

/**
 * Runs a role until SIGTERM or SIGINT, then drains it and resolves with 0. A second signal ends the process at once (130 for SIGINT, else 1),
 * and so does a drain that does not end by its deadline. SIGHUP reads the configuration again.
 * @throws what `loadConfig` and the role throw; why it could not go on, once it is closed
 */
export async function runService(options: ServiceOptions, role: Role): Promise<number> {
  const service = new Service(options, loadConfig(options.inputs));
  await service.start(role);
  try {
    await service.stopped;
  } finally {
    await service.stop();
  }
  return 0;
}

class Service {
  readonly #options: ServiceOptions;
  readonly #isText: boolean;
  readonly #log: AppLog;
  readonly #manager: ServiceManager;
  readonly #stopWanted = Promise.withResolvers<void>();
  /** What runs, but for keys that a reload has changed already. */
  readonly #started: LoadedConfig;
  #current: LoadedConfig;
  #role: RunningRole | undefined;
  #signals = 0;
  #reloadWanted = false;
  #reloading = false;

  constructor(options: ServiceOptions, loaded: LoadedConfig) {
    const { level, format } = loaded.config.log;
    this.#options = options;
    this.#started = loaded;
    this.#current = loaded;
    this.#isText = format === 'text' || (format === 'auto' && options.stdout.isTTY === true);
    this.#log = this.#isText ? createTextLog(options.stdout, level) : createJsonLog(options.stdout, level);
    this.#manager = createServiceManager(options.inputs.env, this.#log.log);
  }

  /** Resolves when somebody wants it to stop; rejects when it cannot go on. */
  get stopped(): Promise<void> {
    const { failed, ended } = this.#role!;
    return Promise.race([this.#stopWanted.promise, failed, ...(ended ? [ended] : [])]);
  }

  /** Resolves when it is ready, or is to stop before it is. */
  async start(role: Role): Promise<void> {
    process.on('SIGTERM', this.#onStop);
    process.on('SIGINT', this.#onStop);
    process.on('SIGHUP', this.#onHangUp);
    try {
      this.#role = await role.start(this.#started, this.#log.log);
    } catch (error) {
      this.#unwatch();
      throw error;
    }
    this.#watchNpm(this.#options.inputs.env);
    void this.#reloadAsWanted();
    await this.#becomeReady(this.#role);
  }

  async stop(): Promise<void> {
    const { deadline } = this.#current.config.shutdown;
    this.#log.log('info', 'stopping', { deadlineMs: deadline });
    const overdue = setTimeout(() => {
      this.#log.log('error', 'not everything could be closed by the deadline; what was acknowledged is safe');
      process.exit(1);
    }, deadline + GRACE_MS);
    void this.#manager.stopping();
    await this.#role?.close({ deadlineMs: deadline });
    this.#manager.close();
    clearTimeout(overdue);
    this.#log.log('info', 'stopped');
    this.#unwatch();
  }

  async #becomeReady(role: RunningRole): Promise<void> {
    let isReady = false;
    try {
      isReady = await Promise.race([role.ready.then(() => true), this.stopped.then(() => false)]);
    } catch (error) {
      await this.stop();
      throw error;
    }
    if (!isReady) return;
    this.#sayReady(role);
    role.begin?.();
    await this.#manager.ready(role.status);
    setTimeout(() => {
      keepCompiledCode();
      releaseStartUpMemory();
    }, SETTLE_MS).unref();
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

  /** One at a time, and once more for a SIGHUP that came meanwhile, or while the role started. */
  async #reloadAsWanted(): Promise<void> {
    if (!this.#role || this.#reloading) return;
    this.#reloading = true;
    while (this.#reloadWanted) {
      this.#reloadWanted = false;
      await this.#reload(this.#role);
    }
    this.#reloading = false;
  }

  async #reload(role: RunningRole): Promise<void> {
    await this.#manager.reloading();
    try {
      const next = loadConfig(this.#options.inputs);
      await role.check?.(next);
      const live = role.liveKeys(next.config);
      const isLive = (key: string): boolean => live.some((at) => key === at || key.startsWith(`${at}.`));
      const applied = changedKeys(this.#current, next).filter(isLive);
      const needRestart = changedKeys(this.#started, next).filter((key) => !isLive(key));
      const facts = role.apply(next);
      this.#log.setLevel(next.config.log.level);
      this.#current = next;
      await this.#announce(role, { ...facts, reload: { at: new Date().toISOString() } });
      this.#log.log('info', 'the configuration was read again', { event: 'reload', applied, needRestart });
    } catch (error) {
      await this.#announce(role, { reload: { at: new Date().toISOString(), error: errorText(error) } });
      const why = { error: errorText(error), fix: errorFix(error) };
      this.#log.log('error', 'the configuration was not taken over; the old one stays', { event: 'reload', ...why });
    }
    await this.#manager.ready(role.status);
  }

  /** A full disk keeps nobody from a configuration that may make room on it. */
  async #announce(role: RunningRole, facts: LockFacts): Promise<void> {
    await role.announce(facts).catch((error) => {
      this.#log.log('warn', 'other commands cannot be told of the reload', { error: errorText(error) });
    });
  }

  #sayReady(role: RunningRole): void {
    const { stdout, version } = this.#options;
    const { banner, facts } = role.sayReady();
    const line = { event: 'ready', ...facts, level: 'info', time: new Date().toISOString(), pid: process.pid, version };
    stdout.write(this.#isText ? banner : `${JSON.stringify(line)}\n`);
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
