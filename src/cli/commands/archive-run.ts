import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { ConfigEntry } from '../../app/config-origin.ts';
import { HydrantError } from '../../core/errors.ts';
import { packageVersion } from '../../core/version.ts';
import type { CommandDefinition } from '../command.ts';
import { defineCommand } from '../command.ts';
import { addAccountOptions, addTlsOptions, passwordFromEnv } from '../connection-options.ts';
import { collect, wholeNumber } from '../options.ts';
import { addStoreOptions, type StoreOptions, storeFlags } from '../store-options.ts';
import type { TlsOptions } from '../tls-options.ts';
import { addConfigOptions, type ConfigOptions } from './config.ts';

interface RunOptions extends ConfigOptions, StoreOptions, TlsOptions {
  broker?: string[];
  engine?: string[];
  to?: string;
  layout?: string;
  filter?: string[];
  exclude?: string[];
  excludeRegex?: string[];
  retained?: string;
  http?: { host?: string; port: number };
  clientId?: string;
  username?: string;
  pw?: string;
  protocolVersion?: string;
  keepalive?: number;
}

/** `hydrant archive --broker URL`: what the command itself does, beside its subcommands. */
export const archiveRun: Pick<CommandDefinition, 'notes' | 'examples' | 'define' | 'ownSignals' | 'run'> = defineCommand<RunOptions>({
  name: 'archive',
  summary: '',
  notes: [
    'With --broker it archives a broker: an event is acknowledged once it is on disk here, sealed into objects by the hour, and uploaded to --to. Runs until SIGTERM or SIGINT, then seals and uploads what it has and exits 0; a second signal ends it at once. SIGHUP reads the configuration again. Exit 4 when the broker refuses it or somebody else uses its client id; a broker that cannot be reached is tried for ever.',
    'The options may stand in hydrant.yaml of the data folder instead (section archive); then --data is all it takes. docs/guide/archive.md.',
  ],
  examples: [
    ['hydrant archive --broker mqtt://127.0.0.1 -d ./events', 'everything into a folder'],
    [
      'hydrant archive --broker mqtts://mq.example.org -u arc --to s3://bucket/events -d /srv/arc',
      'to S3; the password in HYDRANT_PASSWORD',
    ],
    ["hydrant archive --broker mqtt://mq --filter 'devices/#' --exclude 'devices/+/debug' -d ./events", 'some of it'],
  ],
  ownSignals: true,
  define(command) {
    addConfigOptions(command).optionsGroup('Archiving a broker:');
    addRunOptions(command);
    addTlsOptions(addAccountOptions(command)).optionsGroup('Options:');
  },
  async run({ options, io }) {
    const { runArchiver } = await import('../../app/run-archiver.ts');
    const { config, data, set } = options;
    return runArchiver({
      inputs: { env: io.env, file: config, data, sets: set, flags: readFlags(options) },
      account: { username: io.env.HYDRANT_USER || undefined, password: passwordFromEnv(io.env) },
      stdout: io.stdout,
      command: ['hydrant', ...process.argv.slice(2)].join(' '),
      version: packageVersion(),
    });
  },
});

function addRunOptions(command: Command): void {
  addStoreOptions(
    command
      .option('--broker <url>', 'broker to archive: mqtt:// mqtts:// ws:// wss://; repeatable, the next is tried when one is down', collect)
      .option('--engine <url>', 'the same as --broker', collect)
      .option('--to <url>', 'where sealed objects go: s3://bucket/prefix or file:///dir (default: they stay in the data folder)'),
  )
    .addOption(new Option('--layout <name>', 'of the archive (default: hive)').choices(['hive', 'daily']))
    .option('--filter <filter>', 'topics to archive; repeatable (default: #)', collect)
    .option('--exclude <filter>', 'topics to leave out; repeatable', collect)
    .option('--exclude-regex <regex>', 'the same, searched for in the topic; repeatable', collect)
    .addOption(new Option('--retained <what>', 'retained messages at the start (default: skip)').choices(['skip', 'keep']))
    .option('-i, --client-id <id>', 'name of the session at the broker (default: one per data folder)')
    .addOption(new Option('--http <address>', 'answer /healthz, /readyz and /metrics here: PORT or ADDRESS:PORT').argParser(readAddress))
    .addOption(new Option('-V, --protocol-version <version>', 'MQTT version (default: 5)').choices(['311', '3.1.1', '5']))
    .option('-k, --keepalive <seconds>', 'at most this long without a sign of life', wholeNumber(1, 65_535));
}

function readAddress(text: string): { host?: string; port: number } {
  const [, host, port] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined) throw new InvalidArgumentError('Give a port, or ADDRESS:PORT.');
  return { ...(host !== undefined && { host: host.replaceAll(/[[\]]/g, '') }), port: Number(port) };
}

/** The configuration that the flags stand for. @throws HYD_USAGE */
function readFlags(options: RunOptions): ConfigEntry[] {
  const entries = storeFlags(options);
  const set = (path: string, flag: string, value: unknown): void => {
    if (value !== undefined) entries.push({ path, value, origin: { from: 'flag', flag } });
  };
  const { urls, username, password } = readUrls([...(options.broker ?? []), ...(options.engine ?? [])]);
  set('archive.broker.urls', '--broker', urls);
  set('archive.broker.username', '--username', options.username ?? username);
  set('archive.broker.password', '--pw', options.pw ?? password);
  set('archive.broker.clientId', '--client-id', options.clientId);
  set('archive.broker.filters', '--filter', options.filter);
  set('archive.broker.retained', '--retained', options.retained);
  set('archive.broker.version', '--protocol-version', options.protocolVersion === '311' ? '3.1.1' : options.protocolVersion);
  set('archive.broker.keepAlive', '--keepalive', options.keepalive === undefined ? undefined : `${options.keepalive}s`);
  set('archive.broker.tls.ca', '--cafile', options.cafile);
  set('archive.broker.tls.cert', '--cert', options.cert);
  set('archive.broker.tls.key', '--key', options.key);
  set('archive.broker.tls.insecure', '--insecure', options.insecure);
  set('archive.exclude.filters', '--exclude', options.exclude);
  set('archive.exclude.regex', '--exclude-regex', options.excludeRegex);
  set('health.host', '--http', options.http?.host);
  set('health.port', '--http', options.http?.port);
  set('archive.to', '--to', options.to);
  set('archive.layout', '--layout', options.layout);
  return entries;
}

function parseBrokerUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url && /^(mqtts?|wss?):$/.test(url.protocol) && url.hostname !== '' ? url : undefined;
}

/** Schemes that other programs have for the same. */
const OTHER_SCHEMES: Record<string, string> = { '': 'mqtt', tcp: 'mqtt', ssl: 'mqtts', tls: 'mqtts' };

function meantUrl(text: string): URL | undefined {
  const [, other = '', rest] = /^(?:([a-z0-9+.-]+):\/\/)?(.*)$/i.exec(text) ?? [];
  const scheme = OTHER_SCHEMES[other.toLowerCase()];
  return scheme === undefined ? undefined : parseBrokerUrl(`${scheme}://${rest}`);
}

/** The account may stand in the URL; it is kept apart from it, so that no log shows it. */
function readUrls(given: string[]): { urls?: string[]; username?: string; password?: string } {
  if (given.length === 0) return {};
  let account: { username?: string; password?: string } = {};
  const urls = given.map((text) => {
    const url = parseBrokerUrl(text);
    if (!url) {
      const meant = meantUrl(text);
      throw new HydrantError('HYD_USAGE', `${JSON.stringify(text)} is not the URL of a broker`, {
        fix: meant ? `Give it as --broker ${meant.href}` : 'Give --broker mqtt://HOST:PORT, mqtts://, ws://HOST:PORT/ or wss://.',
      });
    }
    const { username, password, pathname } = url;
    if (/^mqtts?:$/.test(url.protocol) && /[^/]/.test(pathname))
      throw new HydrantError('HYD_USAGE', `the broker is given with the path ${pathname}, which only ws:// and wss:// have`, {
        fix: `Leave ${pathname} out; what is archived is chosen with --filter.`,
      });
    if (username !== '') account = { username: decodeURIComponent(username), password: decodeURIComponent(password) || undefined };
    url.username = '';
    url.password = '';
    return url.href;
  });
  return { urls, ...account };
}
