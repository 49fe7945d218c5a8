import type { Command } from 'commander';
import { Option } from 'commander';
import { HydrantError } from '../core/errors.ts';
import type { QoS } from '../wire/event.ts';
import { topicFault } from '../wire/topic.ts';
import { readGiven } from './given-file.ts';
import { collect, durationMs, wholeNumber } from './options.ts';
import { readTlsOptions, type TlsFiles, type TlsOptions, tlsFlag } from './tls-options.ts';

/** The options with which a command reaches a broker: mosquitto's short flags, with mosquitto's meaning. */
export interface ConnectionOptions extends TlsOptions {
  url?: string;
  host?: string;
  port?: number;
  id?: string;
  idPrefix?: string;
  username?: string;
  pw?: string;
  protocolVersion?: '31' | '3.1' | '311' | '3.1.1' | '5';
  keepalive: number;
  connectTimeout: number;
  sessionExpiry?: number;
  willTopic?: string;
  willPayload?: string;
  willQos?: QoS;
  willRetain?: boolean;
  property?: string[];
}

export interface Connecting {
  url: string;
  clientId: string;
  version: 3 | 4 | 5;
  username?: string;
  password?: string;
  keepAliveS: number;
  connectTimeoutMs: number;
  sessionExpiryS?: number;
  tls?: TlsFiles;
  will?: { topic: string; payload: Buffer; qos: QoS; retain: boolean };
}

export function addConnectionOptions(command: Command): Command {
  command
    .helpOption('--help', 'show this help')
    .optionsGroup('Connection:')
    .option(
      '-L, --url <url>',
      'server: mqtt:// mqtts:// ws:// or wss://, with user:password@ if wanted (default: HYDRANT_URL, else mqtt://127.0.0.1:1883)',
    )
    .option('-h, --host <host>', 'instead of --url')
    .option('-p, --port <port>', 'instead of --url', wholeNumber(1, 65_535))
    .option('-i, --id <id>', 'client id (default: hydrant- and random letters)')
    .option('-I, --id-prefix <prefix>', 'client id is this and the process id');
  addAccountOptions(command)
    .addOption(new Option('-V, --protocol-version <version>', 'MQTT version').choices(['31', '3.1', '311', '3.1.1', '5']))
    .option('-k, --keepalive <seconds>', 'at most this long without a sign of life', wholeNumber(0, 65_535), 60)
    .addOption(new Option('--connect-timeout <time>', 'give up connecting after').argParser(durationMs).default(10_000, '10s'))
    .option('-x, --session-expiry <seconds>', 'MQTT 5: how long the server keeps the session', wholeNumber(0, 0xffff_ffff));
  return addTlsOptions(command, 'certificate authorities to trust, PEM; without --url this and the next three mean mqtts and port 8883')
    .option('--will-topic <topic>', 'published by the server when this client vanishes')
    .option('--will-payload <text>', 'its payload')
    .addOption(new Option('--will-qos <qos>', 'its QoS').argParser(parseQos))
    .option('--will-retain', 'retain it')
    .optionsGroup('Options:');
}

/** Who to be at a server. */
export function addAccountOptions(command: Command): Command {
  return command
    .option('-u, --username <name>', 'account (default: HYDRANT_USER)')
    .option('-P, --pw <password>', 'better in HYDRANT_PASSWORD or, as a file, HYDRANT_PASSWORD_FILE: others see the command line');
}

export function addTlsOptions(command: Command, caHelp = 'certificate authorities to trust, PEM'): Command {
  return command
    .option('--cafile <file>', caHelp)
    .option('--cert <file>', 'client certificate, PEM')
    .option('--key <file>', 'its key, PEM')
    .option('--insecure', 'do not check the server’s certificate');
}

/** `-D COMMAND PROPERTY [NAME] VALUE`, as mosquitto has it. */
export function propertyOption(): Option {
  return new Option(
    '-D, --property <words...>',
    'MQTT 5 property: COMMAND PROPERTY VALUE, for user-property NAME VALUE; repeatable',
  ).argParser(collect);
}

export function parseQos(text: string): QoS {
  const qos = Number(text);
  if (qos === 0 || qos === 1 || qos === 2) return qos;
  throw new HydrantError('HYD_USAGE', `QoS ${JSON.stringify(text)} does not exist`, {
    fix: 'Give 0 (at most once), 1 (at least once) or 2 (exactly once).',
  });
}

/**
 * Where to connect and as whom. A path in an mqtt:// URL is a topic, as mosquitto's `-L` has it; in a ws:// URL it is the path.
 * @param tlsPrefix of the TLS options, where a command has others of these names
 * @throws HYD_USAGE
 */
export function resolveConnection(
  options: ConnectionOptions,
  env: NodeJS.ProcessEnv,
  defaultVersion: 4 | 5 = 4,
  tlsPrefix = '--',
): Connecting & { topic?: string } {
  const url = parseUrl(options, env, tlsPrefix);
  const isMqtt = url.protocol === 'mqtt:' || url.protocol === 'mqtts:';
  const topic = isMqtt && url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : undefined;
  const username = options.username ?? (decodeURIComponent(url.username) || env.HYDRANT_USER);
  const password = options.pw ?? (decodeURIComponent(url.password) || passwordFromEnv(env));
  url.username = '';
  url.password = '';
  if (isMqtt) url.pathname = '';
  return {
    url: url.href,
    clientId: options.id ?? (options.idPrefix === undefined ? '' : `${options.idPrefix}${process.pid}`),
    version: versionOf(options.protocolVersion) ?? defaultVersion,
    username,
    password,
    keepAliveS: options.keepalive,
    connectTimeoutMs: options.connectTimeout,
    sessionExpiryS: options.sessionExpiry,
    tls: readTlsOptions(options, tlsPrefix),
    will: willOf(options),
    topic,
  };
}

function parseUrl(options: ConnectionOptions, env: NodeJS.ProcessEnv, tlsPrefix: string): URL {
  if (options.url !== undefined && (options.host !== undefined || options.port !== undefined)) {
    throw new HydrantError('HYD_USAGE', '--url and --host or --port exclude each other', {
      fix: 'Put host and port into the URL: mqtt://HOST:PORT.',
    });
  }
  const flag = tlsFlag(options, tlsPrefix);
  const given = options.url ?? (options.host === undefined && options.port === undefined ? env.HYDRANT_URL || undefined : undefined);
  const host = options.host?.includes(':') ? `[${options.host}]` : (options.host ?? '127.0.0.1');
  const text = given ?? (flag ? `mqtts://${host}:${options.port ?? 8883}` : `mqtt://${host}:${options.port ?? 1883}`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(url.protocol) || url.hostname === '') {
    throw new HydrantError('HYD_USAGE', `${JSON.stringify(text)} is not the URL of a broker`, {
      fix: 'Give mqtt://HOST:PORT, mqtts://, ws://HOST:PORT/ or wss://.',
    });
  }
  if (flag && (url.protocol === 'mqtt:' || url.protocol === 'ws:')) {
    throw new HydrantError('HYD_USAGE', `${flag} is given, but ${url.protocol}// is not encrypted`, {
      fix: `Use ${url.protocol === 'mqtt:' ? 'mqtts' : 'wss'}:// and the port of that listener, 8883 or 8443 by default.`,
    });
  }
  return url;
}

/** The password in `HYDRANT_PASSWORD`, or in the file that `HYDRANT_PASSWORD_FILE` names. */
export function passwordFromEnv(env: NodeJS.ProcessEnv): string | undefined {
  if (env.HYDRANT_PASSWORD) return env.HYDRANT_PASSWORD;
  return env.HYDRANT_PASSWORD_FILE
    ? readGiven('HYDRANT_PASSWORD_FILE', env.HYDRANT_PASSWORD_FILE)
        .toString()
        .replace(/\r?\n$/, '')
    : undefined;
}

function versionOf(text: ConnectionOptions['protocolVersion']): 3 | 4 | 5 | undefined {
  if (text === undefined) return undefined;
  return text === '5' ? 5 : text === '311' || text === '3.1.1' ? 4 : 3;
}

function willOf(options: ConnectionOptions): Connecting['will'] {
  if (options.willTopic === undefined) return undefined;
  const fault = topicFault(options.willTopic);
  if (fault) throw new HydrantError('HYD_TOPIC', `--will-topic ${JSON.stringify(options.willTopic)}: ${fault}`);
  return {
    topic: options.willTopic,
    payload: Buffer.from(options.willPayload ?? ''),
    qos: options.willQos ?? 0,
    retain: options.willRetain ?? false,
  };
}
