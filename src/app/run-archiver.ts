import { keepHeapSmall } from '../core/start-up.ts';
import { type Account, ARCHIVER_LIVE_KEYS, startArchiver } from './archiver.ts';
import { archiverBanner } from './banner.ts';
import { runService, type ServiceOptions } from './service.ts';

export interface RunArchiverOptions extends ServiceOptions {
  /** For the broker, where the configuration names none. */
  account?: Account;
}

/**
 * Runs an archiver, see `runService`. It is ready once the broker has granted the subscription.
 * @throws what `loadConfig` and `startArchiver` throw; HYD_REFUSED, HYD_CONNECT, HYD_TAKEN_OVER of the broker
 */
export function runArchiver(options: RunArchiverOptions): Promise<number> {
  return runService(options, {
    async start({ config, dataDir }, log) {
      keepHeapSmall();
      const { command, version, account } = options;
      const archiver = await startArchiver({ dataDir, config, account, command, log });
      const { clientId, healthUrl } = archiver;
      const listeners = healthUrl === undefined ? {} : { http: healthUrl };
      const { to, layout, broker } = config.archive;
      log('info', 'connecting', { broker: broker.urls, clientId, filters: broker.filters });
      return {
        ready: archiver.subscribed,
        failed: archiver.ended.then(() => new Promise(() => {})),
        status: `archiving ${broker.urls.join(' ')}`,
        sayReady: () => ({
          banner: archiverBanner({ version, dataDir, clientId, broker, to, env: options.inputs.env }),
          facts: { data: dataDir, listeners, broker: broker.urls, clientId, filters: broker.filters, to, layout },
        }),
        liveKeys: () => ARCHIVER_LIVE_KEYS,
        apply(next) {
          archiver.apply(next.config);
          return {};
        },
        announce: (facts) => archiver.announce(facts),
        close: (closing) => archiver.close(closing),
      };
    },
  });
}
