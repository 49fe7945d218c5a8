import { join } from 'node:path';
import { HydrantError } from '../core/errors.ts';
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
 * @throws what `loadConfig` and `openSource` throw; what `runSource` throws; HYD_QUARANTINED when the bus refused events of one that has ended
 */
export function runSourceService(options: RunSourceOptions): Promise<number> {
  const { spec, bus, version } = options;
  return runService(options, {
    async start({ config, dataDir }, log) {
      await using opening = new AsyncDisposableStack();
      const source = opening.use(await openSpec(spec, { dataDir, bus, log }));
      const healthUrl = await openHealthDoor(config.health, sourceHealth(source, spec.kind), opening);
      const opened = opening.move();
      const stop = new AbortController();
      const assertNoneSetAside = watchQuarantine(source, sourceFolder(dataDir, spec.name));
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
        failed: run.then(never, (error: unknown) => fail(source, error, config.shutdown.deadline)),
        ended: run.then(async () => {
          if (stop.signal.aborted) return never();
          await finish(source, log);
          assertNoneSetAside();
        }, never),
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

function never(): Promise<never> {
  return new Promise(() => {});
}

/** What it had read before it could not go on is sent first, if that is possible in time. @throws the error */
async function fail(source: OpenSource, error: unknown, deadlineMs: number): Promise<never> {
  if (source.status().published > 0) await source.client.flush({ deadlineMs });
  throw error;
}

/** @returns what throws HYD_QUARANTINED if the bus has refused events since */
function watchQuarantine({ name, client }: OpenSource, folder: string): () => void {
  const before = client.metrics().quarantined;
  let first: HydrantError | undefined;
  client.on('quarantined', ({ error }) => {
    first ??= error;
  });
  return () => {
    const count = client.metrics().quarantined - before;
    if (count <= 0) return;
    const what = `${count} ${count === 1 ? 'event' : 'events'} of the source ${name} ${count === 1 ? 'is' : 'are'} set aside`;
    throw new HydrantError('HYD_QUARANTINED', `${what}; the first: ${first?.message ?? 'the bus did not take it'}`, {
      cause: first,
      fix: `Look with \`hydrant outbox ls --outbox ${join(folder, 'outbox')}\`, then \`hydrant outbox retry\` or \`drop\`.`,
    });
  };
}

async function finish({ name, client }: OpenSource, log: Log): Promise<void> {
  log('info', 'the source has ended; waiting for the bus to acknowledge', { source: name });
  await client.flush();
}
