import type { Log } from '../core/log.ts';
import type { OpenSource, OpenSourceOptions } from '../sources/run/open-source.ts';
import { sourceBanner } from './banner.ts';
import { openHealthDoor } from './health-door.ts';
import { runService, type ServiceOptions } from './service.ts';
import { sourceHealth } from './source-health.ts';
import type { SourceSpec } from './source-specs.ts';
import { openSpec, sourceFolder } from './sources.ts';

export interface RunSourceOptions extends ServiceOptions {
  spec: SourceSpec;
  /** Where it publishes. */
  bus: OpenSourceOptions<unknown>['bus'] & { url: string };
}

/**
 * Runs one source, see `runService`. When its upstream has ended for good (a file, a pipe), it waits until all is acknowledged, and ends with 0.
 * @throws what `loadConfig` and `openSource` throw; HYD_USAGE, HYD_CONFIG of the source
 */
export function runSourceService(options: RunSourceOptions): Promise<number> {
  const { spec, bus, version } = options;
  return runService(options, {
    async start({ config, dataDir }, log) {
      await using opening = new AsyncDisposableStack();
      const source = opening.use(await openSpec(spec, { dataDir, bus, log }));
      const healthUrl = await openHealthDoor(config.health, sourceHealth(source), opening);
      const opened = opening.move();
      const stop = new AbortController();
      const run = source.run(stop.signal);
      const facts = {
        source: spec.name,
        kind: spec.kind.name,
        data: dataDir,
        url: bus.url,
        ...(healthUrl && { listeners: { http: healthUrl } }),
      };
      return {
        ready: Promise.resolve(),
        failed: run.then(() => new Promise<never>(() => {})),
        ended: run.then(() => (stop.signal.aborted ? new Promise<never>(() => {}) : finish(source, log))),
        status: `${spec.kind.name} for ${bus.url}`,
        sayReady: () => ({
          banner: sourceBanner({ version, name: spec.name, url: bus.url, folder: sourceFolder(dataDir, spec.name) }),
          facts,
        }),
        liveKeys: () => ['log.level', 'shutdown'],
        apply: () => ({}),
        announce: async () => {},
        async close({ deadlineMs }) {
          stop.abort();
          const { remaining } = await source.close({ deadlineMs });
          if (remaining > 0) log('info', 'events stay in the outbox', { source: spec.name, remaining });
          await opened.disposeAsync();
        },
      };
    },
  });
}

async function finish({ name, client }: OpenSource, log: Log): Promise<void> {
  log('info', 'the source has ended; waiting for the bus to acknowledge', { source: name });
  await client.flush();
}
