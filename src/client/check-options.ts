import { isObject } from '../core/objects.ts';
import { assertTopic } from '../wire/topic.ts';
import { assertBounds } from './channels/known-options.ts';
import { checkCredentials } from './check-credentials.ts';
import { assertKeys, assertNumber, shown, usage } from './checks.ts';
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

const LOGIN = 'Give `credentials: { username, password }`.';
const SERVER = "Give `url: 'mqtt://HOST:1883'`.";
const CERTIFICATES = 'Give it within `tls`: `tls: { ca, cert, key }`.';
/** Names that other clients have. */
const ELSEWHERE = {
  username: LOGIN,
  password: LOGIN,
  host: SERVER,
  hostname: SERVER,
  port: SERVER,
  servers: SERVER,
  ca: CERTIFICATES,
  cert: CERTIFICATES,
  key: CERTIFICATES,
  rejectUnauthorized: CERTIFICATES,
  device: "Give `profile: generic({ device: 'd1' })`.",
  reconnectPeriod: 'It connects again by itself; `maxBackoffMs` is the longest time between two attempts.',
  clean: 'Leave it out: the profile says whether the server keeps the session.',
  will: 'Leave it out: there are no wills; `status: true` tells how the outbox stands.',
};

const MAX_BACKOFF_MS = 86_400_000;
const MAX_KEEP_ALIVE_SECONDS = 65_535;
const MAX_CLIENT_ID_BYTES = 65_535;

/** @throws HYD_USAGE, naming the option at fault */
export function checkOptions(options: ClientOptions): void {
  if (!isObject(options))
    throw usage(
      `openClient() takes one object of options, not ${shown(options)}`,
      "Give `{ url: 'mqtt://HOST', outbox: './outbox' }`, and what else it needs.",
    );
  assertKeys('the client', options, Object.keys(KNOWN), ELSEWHERE);
  const { outbox, version, url, bus, maxInFlight, maxAttempts, keepAliveSeconds, maxBackoffMs, clientId, credentials, log } = options;
  if (typeof outbox !== 'string' || outbox === '')
    throw usage('the client needs an outbox', "Give a folder, or ':memory:' for nothing kept.");
  if (version !== undefined && version !== 4 && version !== 5) throw usage(`version ${shown(version)}`, 'Give 5, or 4 for MQTT 3.1.1.');
  if (url !== undefined && bus !== undefined) throw usage('url and bus are both given', 'Give one of them.');
  if (bus !== undefined && !(isObject(bus) && hasMethods(bus, 'publish', 'subscribe')))
    throw usage(`bus: ${shown(bus)} has no publish() and subscribe()`, 'Give an open bus, or a `url` in place of it.');
  if (clientId !== undefined && !isClientId(clientId))
    throw usage(`clientId: ${shown(clientId)}`, `Give a text of 1 to ${MAX_CLIENT_ID_BYTES} bytes, or leave it out.`);
  if (log !== undefined && typeof log !== 'function')
    throw usage(`log: ${shown(log)} is no function`, 'Give `(level, message, fields) => …`, such as `log: console.log`.');
  checkCredentials(credentials);
  checkProfile(options.profile);
  checkTls(options.tls);
  checkParts(options);
  assertNumber('maxInFlight', maxInFlight, { above: 0, whole: true });
  assertNumber('maxAttempts', maxAttempts, { above: 0, whole: true });
  assertNumber('keepAliveSeconds', keepAliveSeconds, { min: 0, max: MAX_KEEP_ALIVE_SECONDS, whole: true });
  assertNumber('maxBackoffMs', maxBackoffMs, { above: 0, max: MAX_BACKOFF_MS });
}

/** What is options in itself. */
function checkParts({ channels = {}, rate = {}, status }: ClientOptions): void {
  if (!isObject(channels)) throw usage(`channels: ${shown(channels)}`, 'Give bounds by name: `channels: { data: { maxEvents: 10_000 } }`.');
  for (const [channel, bounds] of Object.entries(channels)) assertBounds(channel, bounds, ['priority']);
  assertKeys('rate', rate, ['eventsPerSecond', 'bytesPerSecond']);
  assertNumber('rate.eventsPerSecond', rate.eventsPerSecond, { above: 0 });
  assertNumber('rate.bytesPerSecond', rate.bytesPerSecond, { above: 0 });
  if (status === undefined || typeof status === 'boolean') return;
  assertKeys('status', status, ['topic', 'intervalMs']);
  if (status.topic !== undefined) assertTopic(status.topic);
  assertNumber('status.intervalMs', status.intervalMs, { above: 0 });
}

function checkProfile(profile: unknown): void {
  if (profile === undefined || (isObject(profile) && hasMethods(profile, 'topicOf') && isObject(profile.limits) && isObject(profile.state)))
    return;
  throw usage(`the profile ${shown(profile)} is none`, 'Give what generic(), clearblade(), aws(), azure() or azureEventGrid() return.');
}

/** The name of a file is not what TLS takes, and says nothing about it. */
function checkTls(tls: ClientOptions['tls']): void {
  if (tls === undefined) return;
  if (!isObject(tls)) throw usage(`tls: ${shown(tls)}`, 'Give `tls: { ca, cert, key }`.');
  for (const name of ['ca', 'cert', 'key'] as const)
    for (const part of [tls[name]].flat())
      if (typeof part === 'string' && !part.includes('-----BEGIN '))
        throw usage(
          `tls.${name}${name === 'key' ? '' : `: ${shown(part)}`} is not PEM`,
          `Give what is in the file: \`${name}: readFileSync('FILE')\`.`,
        );
}

function hasMethods(value: Record<string, unknown>, ...names: readonly string[]): boolean {
  return names.every((name) => typeof value[name] === 'function');
}

function isClientId(value: unknown): boolean {
  if (typeof value !== 'string' || value === '' || value.includes('\0') || !value.isWellFormed()) return false;
  return Buffer.byteLength(value) <= MAX_CLIENT_ID_BYTES;
}
