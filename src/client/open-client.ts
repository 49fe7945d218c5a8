import { openMqttBus } from '../bus/mqtt/mqtt-bus.ts';
import type { LinkChange, MqttBus } from '../bus/mqtt/options.ts';
import { HydrantError } from '../core/errors.ts';
import { createHexId } from '../core/id.ts';
import { type Log, silentLog } from '../core/log.ts';
import { checkProvider } from './check-credentials.ts';
import { checkOptions } from './check-options.ts';
import type { Client } from './client.ts';
import { isSource } from './credentials/credential-source.ts';
import { Listeners } from './listeners.ts';
import type { ClientOptions } from './options.ts';
import { openOutbox } from './outbox/open-outbox.ts';
import type { Outbox } from './outbox/outbox.ts';
import { generic } from './profiles/generic.ts';
import type { Profile } from './profiles/profile.ts';
import { type ClientParts, ReliableClient } from './reliable-client.ts';

const MAX_IN_FLIGHT = 1000;
const CLIENT_ID_NOTE = 'client-id';

/**
 * Opens a client on an outbox, in constant time whatever that holds. It connects when there is something to send or to subscribe to, and publishing
 * does not wait for it. Of several processes on one outbox folder all may publish; one of them is connected and sends, and when it ends another
 * takes over.
 * @throws HYD_USAGE for a wrong option; HYD_UNSUPPORTED for `status` with a profile whose service retains nothing, and in a Node without SQLite; HYD_OUTBOX, HYD_DATA_FORMAT when the outbox cannot be opened
 */
export async function openClient(options: ClientOptions): Promise<Client> {
  checkOptions(options);
  const { profile = generic(), log: own = silentLog } = options;
  const log = stopNothing(own);
  if (options.status && !profile.limits.retain)
    throw new HydrantError('HYD_UNSUPPORTED', `status: the service of the profile ${profile.name} retains nothing`, {
      fix: 'Leave `status` out; `metrics()` says the same on the device.',
    });
  const outbox = await openOutbox(options.outbox, { log });
  try {
    const clientId = options.clientId ?? profile.clientId ?? (await keptClientId(outbox));
    const listeners = new Listeners();
    const maxInFlight = Math.min(options.maxInFlight ?? MAX_IN_FLIGHT, profile.limits.maxInFlight ?? MAX_IN_FLIGHT);
    const parts = { options, profile, outbox, clientId, listeners, maxInFlight, log };
    if (options.bus) return new ReliableClient({ ...parts, bus: options.bus, withdraw() {}, leave: async () => {} });
    return new ReliableClient({ ...parts, ...(await openOwnBus({ ...options, log }, profile, clientId, maxInFlight, listeners)) });
  } catch (error) {
    await outbox.close();
    throw error;
  }
}

/** What the application's log throws is an uncaught exception, as of a listener. */
function stopNothing(log: Log): Log {
  return (level, message, fields) => {
    try {
      log(level, message, fields);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

/** One that stays with the outbox, so that the server knows the client again. */
async function keptClientId(outbox: Outbox): Promise<string> {
  const note = await outbox.getNote(CLIENT_ID_NOTE);
  if (note) return Buffer.from(note).toString();
  const kept = await outbox.keepNote(CLIENT_ID_NOTE, Buffer.from(`hydrant-${createHexId(6)}`));
  return Buffer.from(kept).toString();
}

/** @throws HYD_USAGE */
async function openOwnBus(
  { url, credentials, version, keepAliveSeconds, maxBackoffMs, tls, log = silentLog }: ClientOptions,
  profile: Profile,
  clientId: string,
  maxInFlight: number,
  listeners: Listeners,
): Promise<Pick<ClientParts, 'bus' | 'withdraw' | 'leave'>> {
  const urls = url === undefined ? (profile.urls ?? []) : [url].flat();
  if (urls.length === 0)
    throw new HydrantError('HYD_USAGE', `the profile ${profile.name} knows no server`, { fix: "Give `url: 'mqtt://HOST'`." });
  const shown = credentials ?? profile.credentials;
  const provider = typeof shown === 'function' ? shown : undefined;
  const fixed = typeof shown === 'object' ? async () => shown : undefined;
  const bus: MqttBus = await openMqttBus({
    urls,
    clientId,
    credentials: provider ? checkProvider(provider) : fixed,
    persistentSession: profile.persistentSession,
    neverGiveUp: true,
    onLink: (change: LinkChange) => listeners.tell('link', change),
    version: version ?? profile.version,
    keepAliveSeconds,
    maxBackoffMs,
    maxInFlight,
    closeTimeoutMs: 0,
    tls,
    log,
  });
  const detach =
    provider && isSource(provider)
      ? provider.attach({
          log,
          onReplaced: () =>
            void bus.renew().catch((error: unknown) => log('warn', 'the new credentials could not be used', { error: String(error) })),
          onClockSkew: (skewMs) => listeners.tell('clock-skew', { skewMs }),
        })
      : undefined;
  const leave = async (): Promise<void> => {
    detach?.();
    await bus.close();
  };
  return { bus, withdraw: () => bus.withdraw(), leave };
}
