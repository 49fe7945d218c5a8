import { join } from 'node:path';
import type { Bus } from '../bus/bus.ts';
import { errorFix, errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Sample } from '../http/metrics.ts';
import { type OpenSource, type OpenSourceOptions, openSource } from '../sources/run/open-source.ts';
import { sourceSamples } from './source-metrics.ts';
import type { SourceSpec } from './source-specs.ts';

/** Sources at work in this process. */
export interface Sources {
  samples(): Sample[];
  /** Ends their runs, then sends what is possible until the deadline; the rest stays in their outboxes. */
  close(options: { deadlineMs: number }): Promise<void>;
}

/** The folder of one: its outbox and its cursor. */
export function sourceFolder(dataDir: string, name: string): string {
  return join(dataDir, 'sources', name);
}

/** @throws what `openSource` throws */
export async function openSpec(
  { name, kind, options, strict }: SourceSpec,
  { dataDir, bus, log }: { dataDir: string; bus: OpenSourceOptions<unknown>['bus']; log: Log },
): Promise<OpenSource> {
  const { checkEvent } = await import('../sources/catalogue/check-event.ts');
  return openSource({ kind, options, name, strict, folder: sourceFolder(dataDir, name), bus, check: checkEvent, log });
}

/**
 * Opens and runs the sources of a server. One that cannot go on is an error in the log; the others, and the server, do.
 * @throws what `openSource` throws: none runs then
 */
export async function startSources(
  specs: readonly SourceSpec[],
  { dataDir, bus, log }: { dataDir: string; bus: Bus; log: Log },
): Promise<Sources> {
  const opened: OpenSource[] = [];
  try {
    for (const spec of specs) opened.push(await openSpec(spec, { dataDir, bus: { bus: signed(bus, spec.name) }, log }));
  } catch (error) {
    await Promise.all(opened.map((source) => source.close({ deadlineMs: 0 })));
    throw error;
  }
  const stop = new AbortController();
  for (const source of opened)
    source.run(stop.signal).then(
      () => stop.signal.aborted || log('info', 'the source has ended', { source: source.name }),
      (error: unknown) => {
        const fix = errorFix(error);
        log('error', 'the source cannot go on', { source: source.name, error: errorText(error), fix });
      },
    );
  return {
    samples: () => sourceSamples(opened),
    async close({ deadlineMs }) {
      stop.abort();
      await Promise.all(opened.map((source) => source.close({ deadlineMs })));
    },
  };
}

/** The same bus; what is published on it says who published it. */
function signed(bus: Bus, source: string): Bus {
  return {
    capabilities: bus.capabilities,
    publish: (event, options) => bus.publish({ ...event, source }, options),
    subscribe: (filters, options) => bus.subscribe(filters, options),
    close: () => bus.close(),
    [Symbol.asyncDispose]: () => bus.close(),
  };
}
