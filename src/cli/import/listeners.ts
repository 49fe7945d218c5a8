import { dirname, resolve } from 'node:path';
import type { ConfLine, ImportNote } from './conf-line.ts';

/** A listener of Mosquitto: where it is, and the lines below it. */
export interface ListenerLines {
  line: ConfLine;
  port: number;
  host: string | undefined;
  options: ConfLine[];
}

interface Doors {
  listeners: Record<string, Record<string, unknown>>;
  tls: Record<string, string>;
  /** The name in a certificate is the user. */
  certificateUser: boolean;
  origins: string[];
  /** Connections allowed at all doors together; undefined when one of them has no bound. */
  connections: number | undefined;
}

const FILES: Record<string, 'cert' | 'key' | 'ca'> = { certfile: 'cert', keyfile: 'key', cafile: 'ca' };
const VERSIONS: Record<string, string> = { 'tlsv1.2': 'TLSv1.2', 'tlsv1.3': 'TLSv1.3' };
const UNUSED = ['max_qos', 'maximum_qos', 'mount_point', 'http_dir', 'capath', 'crlfile', 'ciphers', 'ciphers_tls1.3', 'dhparamfile'];

/** Lines that belong to the listener above them. */
export const LISTENER_KEYS = new Set([
  ...Object.keys(FILES),
  ...UNUSED,
  'bind_address',
  'bind_interface',
  'max_connections',
  'max_topic_alias',
  'protocol',
  'psk_hint',
  'require_certificate',
  'socket_domain',
  'tls_engine',
  'tls_engine_kpass_sha1',
  'tls_keyform',
  'tls_version',
  'use_identity_as_username',
  'use_subject_as_username',
  'use_username_as_clientid',
  'websockets_headers_size',
  'websockets_origin',
]);

/** Our doors for the listeners: one for each of mqtt, mqtts, ws and wss. What has no place among them becomes a note. */
export function convertListeners(given: ListenerLines[], notes: ImportNote[]): Doors {
  const doors: Doors = { listeners: { mqtt: { enabled: false } }, tls: {}, certificateUser: false, origins: [], connections: 0 };
  const certified: boolean[] = [];
  for (const listener of given) {
    const { line, port, options } = listener;
    const value = (key: string): string | undefined => options.findLast((option) => option.key === key)?.value;
    const refuse = (why: string): void => void notes.push({ at: line, text: `${line.key} ${line.value}`, why });
    if (port === 0) {
      refuse('Hydrant listens on TCP ports only');
      continue;
    }
    const hasTls = value('certfile') !== undefined || value('keyfile') !== undefined;
    const name = `${value('protocol') === 'websockets' ? 'ws' : 'mqtt'}${hasTls ? 's' : ''}`;
    if (doors.listeners[name]?.port !== undefined) {
      refuse(`Hydrant has one port for ${name}, and that is ${doors.listeners[name].port} now`);
      continue;
    }
    const host = listener.host ?? value('bind_address') ?? (value('socket_domain') === 'ipv6' ? '::' : '0.0.0.0');
    doors.listeners[name] = { enabled: true, host, port };
    if (hasTls) certified.push(value('require_certificate') === 'true');
    const bound = Number(value('max_connections') ?? -1);
    doors.connections = doors.connections === undefined || !(bound > 0) ? undefined : doors.connections + bound;
    for (const option of options) convertOption(option, doors, notes);
  }
  if (certified.length > 0 && certified.some(Boolean)) doors.tls.clientCertificates = certified.every(Boolean) ? 'required' : 'optional';
  // Without certificates asked for, the authorities of Mosquitto's cafile have no use here.
  else delete doors.tls.ca;
  if (doors.connections === 0) doors.connections = undefined;
  return doors;
}

function convertOption(line: ConfLine, doors: Doors, notes: ImportNote[]): void {
  const { key, value, file } = line;
  const refuse = (why: string): void => void notes.push({ at: line, text: `${key} ${value}`, why });
  const part = FILES[key];
  if (part) {
    const path = resolve(dirname(file), value);
    if (doors.tls[part] !== undefined && doors.tls[part] !== path) refuse(`tls.${part} is ${doors.tls[part]} for all doors`);
    else doors.tls[part] = path;
  } else if (key === 'tls_version') {
    if (VERSIONS[value]) doors.tls.minVersion = VERSIONS[value];
    else refuse('TLS 1.2 is the oldest version here');
  } else if (key === 'use_identity_as_username') doors.certificateUser ||= value === 'true';
  else if (key === 'websockets_origin') doors.origins.push(value);
  else if (key === 'use_subject_as_username') refuse('the user is the common name in the certificate: access.certificateUser');
  else if (key === 'bind_interface') refuse('bind to an address instead: listeners.….host');
  else if (key === 'socket_domain' && value !== 'ipv4' && value !== 'ipv6') refuse('it is ipv4 or ipv6');
  else if (key === 'protocol' && value !== 'mqtt' && value !== 'websockets') refuse('a door speaks MQTT over TCP or over websockets');
  else if (UNUSED.includes(key) || /^(psk|tls)_|^use_username/.test(key)) refuse('there is no counterpart');
}
