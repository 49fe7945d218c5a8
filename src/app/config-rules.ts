import { isIP } from 'node:net';
import type { Config } from './config-schema.ts';

/** Whether an address to bind is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === 'localhost' || host === '::1';
}

/** What is wrong with keys that are right one by one. */
export function configFaults(config: Config): ConfigRuleFault[] {
  return [...exposureFaults(config), ...archiveFaults(config)];
}

export interface ConfigRuleFault {
  path: string;
  message: string;
}

function archiveFaults({ archive }: Config): ConfigRuleFault[] {
  if (archive.layout !== 'daily' || archive.codec === 'gzip') return [];
  return [{ path: 'archive.codec', message: `archive.codec is "${archive.codec}", but archive.layout: daily is gzip always` }];
}

/** Listeners beyond loopback, unless the configuration says that anybody may come in. */
function exposureFaults(config: Config): ConfigRuleFault[] {
  if (config.listeners.allowAnonymousRemote) return [];
  return exposedListeners(config).map(({ path, host }) => ({
    path,
    message:
      `${path} is ${JSON.stringify(host)}, which other machines can reach, and this version has no accounts yet: anybody could publish and read everything. ` +
      'Use 127.0.0.1 and a tunnel (ssh -L 1883:127.0.0.1:1883), or set listeners.allowAnonymousRemote: true',
  }));
}

/** The keys of the listeners that are bound beyond loopback. */
export function exposedListeners(config: Config): { path: string; host: string }[] {
  const { mqtt, http } = config.listeners;
  const bound = [
    { path: 'listeners.mqtt.host', host: mqtt.host, enabled: mqtt.enabled },
    { path: 'listeners.http.host', host: http.host, enabled: true },
  ];
  return bound.filter(({ host, enabled }) => enabled && !isLoopback(host)).map(({ path, host }) => ({ path, host }));
}
