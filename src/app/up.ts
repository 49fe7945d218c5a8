import type { Log } from '../core/log.ts';
import { readyBanner } from './banner.ts';
import type { LoadedConfig } from './config.ts';
import { exposedListeners } from './config-rules.ts';
import { type Demo, startDemo } from './demo.ts';
import { liveKeys, type Server, startServer } from './server.ts';
import { isOpen, loadAccess, usersPath } from './server-access.ts';
import { type RunningRole, runService, type ServiceOptions } from './service.ts';
import { readSourceSpecs, type SourceSpec } from './source-specs.ts';
import type { Sources } from './sources.ts';

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
      const specs = await readSourceSpecs(loaded);
      let sources: Sources | undefined;
      const samples = () => sources?.samples() ?? [];
      const server = await startServer({ dataDir, config, access, command, version, samples, log });
      await server.announce({ users: usersPath(loaded) });
      if (specs.length > 0) sources = await startOn(server, specs, log);
      let demo: Demo | undefined;
      return {
        ...serverRole(server, loaded, options),
        begin() {
          if (options.demo) demo = startDemo(server.bus, { seed: Date.now() % 2 ** 31, log });
        },
        async close({ deadlineMs }) {
          const endMs = performance.now() + deadlineMs;
          await sources?.close({ deadlineMs: deadlineMs / 2 });
          await demo?.close();
          await server.close({ deadlineMs: Math.max(0, endMs - performance.now()) });
        },
      };
    },
  });
}

async function startOn(server: Server, specs: SourceSpec[], log: Log): Promise<Sources> {
  try {
    const { startSources } = await import('./sources.ts');
    return await startSources(specs, { dataDir: server.dataDir, bus: server.bus, log });
  } catch (error) {
    await server.close({ deadlineMs: 0 });
    throw error;
  }
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
    check: readSourceSpecs,
    liveKeys: (next) => liveKeys(config, next),
    apply(next) {
      server.apply(next.config, loadAccess(next));
      return { users: usersPath(next) };
    },
    announce: (facts) => server.announce(facts),
  };
}
