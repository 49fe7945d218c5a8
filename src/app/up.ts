import { readyBanner } from './banner.ts';
import type { LoadedConfig } from './config.ts';
import { exposedListeners } from './config-rules.ts';
import { type Demo, startDemo } from './demo.ts';
import { liveKeys, type Server, startServer } from './server.ts';
import { isOpen, loadAccess, usersPath } from './server-access.ts';
import { type RunningRole, runService, type ServiceOptions } from './service.ts';

export interface UpOptions extends ServiceOptions {
  /** Publish believable events. */
  demo?: boolean;
}

/**
 * Runs a server, see `runService`.
 * @throws what `loadConfig` and `startServer` throw
 */
export function runUp(options: UpOptions): Promise<number> {
  return runService(options, {
    async start(loaded, log) {
      const { config, dataDir } = loaded;
      const access = loadAccess(loaded);
      for (const { path, host } of isOpen(access) ? exposedListeners(config) : []) {
        log('warn', 'ANYBODY who reaches this address can publish and read EVERYTHING: listeners.allowAnonymousRemote is set', {
          [path]: host,
        });
      }
      const { command, version } = options;
      const server = await startServer({ dataDir, config, access, command, version, log });
      await server.announce({ users: usersPath(loaded) });
      let demo: Demo | undefined;
      return {
        ...serverRole(server, loaded, options),
        begin() {
          if (options.demo) demo = startDemo(server.bus, { seed: Date.now() % 2 ** 31, log });
        },
        async close(closing) {
          await demo?.close();
          await server.close(closing);
        },
      };
    },
  });
}

function serverRole(
  server: Server,
  { config }: LoadedConfig,
  { version, demo = false, inputs }: UpOptions,
): Omit<RunningRole, 'begin' | 'close'> {
  const { dataDir, listeners } = server;
  return {
    ready: Promise.resolve(),
    failed: new Promise(() => {}),
    status: Object.values(listeners).join(' '),
    sayReady: () => ({ banner: readyBanner({ version, dataDir, listeners, demo, env: inputs.env }), facts: { data: dataDir, listeners } }),
    liveKeys: (next) => liveKeys(config, next),
    apply(next) {
      server.apply(next.config, loadAccess(next));
      return { users: usersPath(next) };
    },
    announce: (facts) => server.announce(facts),
  };
}
