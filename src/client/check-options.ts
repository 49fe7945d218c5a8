import { HydrantError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { assertKnown } from './channels/known-options.ts';
import type { ClientOptions } from './options.ts';

const KNOWN: Record<keyof ClientOptions, true> = {
  url: true,
  bus: true,
  profile: true,
  outbox: true,
  clientId: true,
  credentials: true,
  version: true,
  keepAliveSeconds: true,
  maxBackoffMs: true,
  tls: true,
  channels: true,
  maxInFlight: true,
  rate: true,
  maxAttempts: true,
  status: true,
  log: true,
};

/** @throws HYD_USAGE, naming the option at fault */
export function checkOptions(options: ClientOptions): void {
  for (const key of Object.keys(options)) {
    if (key in KNOWN) continue;
    const meant = nearest(key, Object.keys(KNOWN));
    throw usage(
      `the client has no option ${key}`,
      meant === undefined ? `Options are ${Object.keys(KNOWN).join(', ')}.` : `Did you mean ${meant}?`,
    );
  }
  const {
    outbox,
    version,
    url,
    bus,
    maxInFlight,
    maxAttempts,
    keepAliveSeconds,
    maxBackoffMs,
    rate = {},
    channels = {},
    profile,
  } = options;
  if (typeof outbox !== 'string' || outbox === '')
    throw usage('the client needs an outbox', "Give a folder, or ':memory:' for nothing kept.");
  if (version !== undefined && version !== 4 && version !== 5) throw usage(`version ${version}`, 'Give 5, or 4 for MQTT 3.1.1.');
  if (url !== undefined && bus !== undefined) throw usage('url and bus are both given', 'Give one of them.');
  if (profile !== undefined && typeof profile !== 'object')
    throw usage(`the profile ${String(profile)} is none`, 'Give what generic(), clearblade(), aws() or azure() return.');
  for (const [channel, bounds] of Object.entries(channels)) assertKnown(channel, bounds, ['priority']);
  for (const key of Object.keys(rate))
    if (key !== 'eventsPerSecond' && key !== 'bytesPerSecond') throw usage(`rate has no ${key}`, 'Give eventsPerSecond or bytesPerSecond.');
  assertAbove('maxInFlight', maxInFlight, 0);
  assertAbove('maxAttempts', maxAttempts, 0);
  assertAbove('keepAliveSeconds', keepAliveSeconds, -1);
  assertAbove('maxBackoffMs', maxBackoffMs, 0);
  assertAbove('rate.eventsPerSecond', rate.eventsPerSecond, 0);
  assertAbove('rate.bytesPerSecond', rate.bytesPerSecond, 0);
}

function assertAbove(name: string, value: number | undefined, bound: number): void {
  if (value !== undefined && !(value > bound)) throw usage(`${name}: ${value}`, `Give a number above ${bound}.`);
}

function usage(message: string, fix: string): HydrantError {
  return new HydrantError('HYD_USAGE', message, { fix });
}
