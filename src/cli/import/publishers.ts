import { dirname, resolve } from 'node:path';
import { HydrantError } from '../../core/errors.ts';

/** A program that published to a broker what a source of Hydrant publishes now. */
export interface Publisher {
  name: string;
  /** Of the source. */
  kind: string;
  format: 'ini' | 'yaml';
  /** What precedes the names of the keys that say where it published, and those names. */
  bus: { prefix: string; host: string; user: string; password: string };
  /** The options of the source. `text` gives the value of a key, undefined for one that is missing or empty. */
  convert(text: (key: string) => string | undefined, file: string): Record<string, unknown>;
  /** Why keys have no counterpart. */
  reasons: Record<string, string>;
  /** What differs, a sentence each. */
  remarks: readonly string[];
}

const WORKER_BUS = { prefix: 'mqtt-', host: 'host', user: 'user', password: 'pass' };
const WORKER_HOST =
  'The topics have the host behind the base; where the original’s did not, set `host` and `base`, or change the readers’ filters.';

export const PUBLISHERS: readonly Publisher[] = [
  {
    name: 'germqtt',
    kind: 'gerrit',
    format: 'ini',
    bus: { prefix: 'mqtt.', host: 'hostname', user: 'username', password: 'password' },
    convert: (text, file) => ({
      host: needed(text, 'gerrit.hostname', file),
      ...(text('gerrit.port') !== undefined && { port: numberIn(text('gerrit.port')!) }),
      user: needed(text, 'gerrit.username', file),
      key: resolve(dirname(file), needed(text, 'gerrit.key', file)),
      ...baseOption(text('mqtt.topic') ?? text('mqtt.base_topic')),
    }),
    reasons: { 'default.pidfile': 'the service manager does that' },
    remarks: [
      'germqtt took any host key; Hydrant connects to known ones: ssh-keyscan -p PORT HOST >> ~/.ssh/known_hosts, compare, or see knownHosts and hostKeyCheck.',
      'What is missed while the connection is down is read from the events-log plugin, if eventsLog.url is set; else a gap event says so.',
    ],
  },
  {
    name: 'lpmqtt',
    kind: 'launchpad',
    format: 'ini',
    bus: { prefix: 'mqtt.', host: 'hostname', user: 'username', password: 'password' },
    convert: (text, file) => ({
      host: needed(text, 'imap.hostname', file),
      tls: isTrue(text('imap.use_ssl')) ? 'on' : 'off',
      user: needed(text, 'imap.username', file),
      password: needed(text, 'imap.password', file),
      ...(text('imap.folder') !== undefined && { mailbox: text('imap.folder') }),
      after: isTrue(text('imap.delete-old')) ? 'expunge' : 'flag',
      ...baseOption(text('mqtt.base_topic')),
    }),
    reasons: {},
    remarks: [
      'The password may stand in a file of its own: passwordFile instead of password.',
      'Private and security bugs are not published unless `private: true` is added; lpmqtt published them.',
    ],
  },
  {
    name: 'subunit-worker',
    kind: 'subunit',
    format: 'yaml',
    bus: WORKER_BUS,
    convert: (text, file) => ({ gearman: [gearmanServer(text, file)], ...workerTopic(text('mqtt-topic')) }),
    reasons: { config: 'there is no subunit2sql here; each test is an event, which a reader may put into a database' },
    remarks: [WORKER_HOST],
  },
  {
    name: 'logstash-worker',
    kind: 'logs',
    format: 'yaml',
    bus: WORKER_BUS,
    convert: (text, file) => ({
      gearman: [gearmanServer(text, file)],
      ...logOutput(text, file),
      ...workerTopic(text('mqtt-topic')),
    }),
    reasons: {
      'crm114-script': 'lines are not classified here',
      'crm114-data': 'lines are not classified here',
      'log-ca-certs': 'certificates of log servers are checked with those that Node.js trusts; NODE_EXTRA_CA_CERTS=FILE adds some',
      'log-cert-verify': 'certificates of log servers are always checked',
    },
    remarks: [WORKER_HOST],
  },
];

function needed(text: (key: string) => string | undefined, key: string, file: string): string {
  const value = text(key);
  if (value !== undefined) return value;
  throw new HydrantError('HYD_USAGE', `${file} has no ${key}`, { fix: 'Give the configuration file that the program runs with.' });
}

/** What is none stays as it is, for the check of the options. */
function numberIn(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function isTrue(value: string | undefined): boolean {
  return /^(1|yes|true|on)$/i.test(value ?? '');
}

function baseOption(base: string | undefined): { base?: string } {
  return base === undefined ? {} : { base };
}

/** There the host was part of the topic that was configured. */
function workerTopic(topic: string | undefined): { base?: string; host?: string } {
  const at = topic?.lastIndexOf('/') ?? -1;
  return at <= 0 ? baseOption(topic) : { base: topic!.slice(0, at), host: topic!.slice(at + 1) };
}

function gearmanServer(text: (key: string) => string | undefined, file: string): string {
  return address(needed(text, 'gearman-host', file), text('gearman-port') ?? '4730');
}

function logOutput(text: (key: string) => string | undefined, file: string): { output: string } {
  const [mode, host, port] = [text('output-mode') ?? 'tcp', text('output-host'), text('output-port')];
  if (mode === 'stdout') return { output: 'stdout' };
  return { output: `${mode}://${address(host ?? needed(text, 'output-host', file), port ?? needed(text, 'output-port', file))}` };
}

export function address(host: string, port: string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
