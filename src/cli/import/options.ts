import type { ConfLine } from './conf-line.ts';

/** A key of the configuration with its value; a text says why there is none. */
type Converted = [path: string, value: unknown] | string;

const DAYS: Record<string, number> = { h: 1 / 24, d: 1, w: 7, m: 30, y: 365 };
const MAX_IN_FLIGHT = 65_535;
/** Length of the longest packet header, topic apart, beyond the payload. */
const PACKET_OVERHEAD = 65_536;

/** Options of the whole broker that mean something here. */
const CONVERT: Record<string, (value: string) => Converted> = {
  max_packet_size: (value) => positive(value, (bytes) => ['limits.packetBytes', Math.max(bytes, 1024)]),
  message_size_limit: (value) => positive(value, (bytes) => ['limits.packetBytes', bytes + PACKET_OVERHEAD]),
  max_inflight_messages: (value) => ['limits.inFlight', Number(value) || MAX_IN_FLIGHT],
  max_keepalive: (value) => positive(value, (seconds) => ['limits.keepAlive', `${seconds}s`]),
  max_topic_alias: (value) => ['limits.topicAliases', Number(value)],
  persistent_client_expiration: (value) => {
    const [, count, unit] = /^(\d+)([hdwmy])$/.exec(value) ?? [];
    return unit ? ['sessions.maxExpiry', `${Number(count) * DAYS[unit]! * 24}h`] : 'it is a number with h, d, w, m or y';
  },
  sys_interval: (value) => ['sys.interval', value === '0' ? 0 : `${value}s`],
};

/** Options that need no counterpart: what they set is so, or does not exist. */
const NEEDLESS =
  /^(persistence|persistence_file|persistence_location|autosave_.*|set_tcp_nodelay|retain_available|upgrade_outgoing_qos|queue_qos0_messages|max_queued_(messages|bytes)|max_inflight_bytes|allow_duplicate_messages|retained_persistence|retain_expiry_interval|per_listener_settings)$/;

const REASONS: [RegExp, string][] = [
  [/^(log_|connection_messages)/, 'Hydrant logs to standard output; see log.level and log.format'],
  [/^(user|pid_file)$/, 'the service manager does that'],
  [/^(auth_plugin|auth_opt_|plugin|plugin_opt_|global_plugin)/, 'there are no plugins; see access for accounts, tokens and certificates'],
  [/^psk_/, 'there are no pre-shared keys; use certificates'],
  [/^(clientid_prefixes|auto_id_prefix|allow_zero_length_clientid)/, 'client ids are not restricted; see acl and %c'],
  [/^memory_limit$/, 'memory is bounded by limits'],
];

/** One option of the whole broker. @returns undefined when it needs no counterpart */
export function convertOption({ key, value }: ConfLine): Converted | undefined {
  if (NEEDLESS.test(key)) return undefined;
  return CONVERT[key]?.(value) ?? REASONS.find(([pattern]) => pattern.test(key))?.[1] ?? 'there is no counterpart';
}

function positive(value: string, convert: (number: number) => Converted): Converted {
  const number = Number(value);
  return number > 0 ? convert(number) : 'no limit there; the default limit here stays';
}
