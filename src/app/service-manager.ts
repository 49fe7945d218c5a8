import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

/** Tells systemd what the service does. Every call is harmless where there is no systemd. */
export interface ServiceManager {
  ready(status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
  close(): void;
}

const run = promisify(execFile);

/**
 * sd_notify(3) for `Type=notify` and `Type=notify-reload` units, through the `systemd-notify` program because Node has no datagram unix
 * sockets; the unit therefore needs `NotifyAccess=all`. With `WatchdogSec=` a sign of life follows at half of it, from the
 * event loop itself: a stuck loop is a dead server.
 */
export function createServiceManager(env: NodeJS.ProcessEnv, log: Log): ServiceManager {
  if (!env.NOTIFY_SOCKET) return { ready: async () => {}, reloading: async () => {}, stopping: async () => {}, close() {} };
  let watchdog: NodeJS.Timeout | undefined;
  let warned = false;
  const notify = async (...assignments: string[]): Promise<void> => {
    try {
      await run('systemd-notify', [`--pid=${process.pid}`, ...assignments], { env, timeout: 5000 });
    } catch (error) {
      if (!warned) log('warn', 'systemd could not be told of the state of the service', { error: errorText(error) });
      warned = true;
    }
  };
  return {
    async ready(status) {
      await notify('READY=1', `STATUS=${status}`);
      const watchdogMs = Number(env.WATCHDOG_USEC ?? 0) / 1000;
      const ours = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === process.pid;
      if (watchdogMs > 0 && ours && !watchdog) watchdog = setInterval(() => void notify('WATCHDOG=1'), watchdogMs / 2);
    },
    reloading: () => notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => notify('STOPPING=1'),
    close: () => clearInterval(watchdog),
  };
}
