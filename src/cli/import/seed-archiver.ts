import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { errorText, HydrantError } from '../../core/errors.ts';
import { isObject } from '../../core/objects.ts';
import { parseDuration } from '../../core/units.ts';

/** What a configuration of the seed program, mqtt-archiver, comes to. */
export interface ImportedArchiver {
  /** As a configuration file has it. */
  config: Record<string, unknown>;
  /** What was not taken over, and why; a key each. */
  notes: string[];
}

/** Its keys, which it reads in any case, and their defaults. */
const DEFAULTS: Record<string, unknown> = {
  'mqtt.broker': undefined,
  'mqtt.username': undefined,
  'mqtt.password': undefined,
  'mqtt.clientId': 'mqtt-archiver-archive',
  'mqtt.timeout': undefined,
  'mqtt.gracePeriod': undefined,
  's3.endpoint': undefined,
  's3.accessKey': undefined,
  's3.secretKey': undefined,
  's3.ssl': true,
  's3.bucket': undefined,
  subscribePattern: '#',
  exclude: undefined,
  workingDir: undefined,
};

/** Of ours, to stop; a longer time to finish is taken over. */
const DEADLINE_MS = 10_000;
const AWS = /^s3(?:[.-]([a-z0-9-]+))?\.amazonaws\.com(?::443)?$/;

/**
 * Reads a mqtt-archiver.yaml.
 * @throws HYD_USAGE when it cannot be read, names no broker, or holds a value that means nothing here
 */
export function importSeedArchiver(file: string): ImportedArchiver {
  const notes: string[] = [];
  const given = readKeys(file, notes);
  const text = (key: string): string | undefined => {
    const value = given.get(key);
    return value === undefined || value === null || value === '' ? undefined : String(value);
  };
  const url = text('mqtt.broker');
  if (url === undefined)
    throw new HydrantError('HYD_USAGE', `${file} names no mqtt.broker`, { fix: 'Give the configuration of mqtt-archiver.' });
  const broker = {
    ...readBroker(url),
    clientId: text('mqtt.clientId'),
    ...(text('mqtt.username') && { username: text('mqtt.username') }),
    ...(text('mqtt.password') && { password: text('mqtt.password') }),
    filters: [text('subscribePattern') ?? '#'],
  };
  const archive: Record<string, unknown> = { broker, layout: 'daily' };
  const exclude = text('exclude');
  if (exclude !== undefined) archive.exclude = { regex: [readRegex(exclude)] };
  Object.assign(archive, readStore(text, given.get('s3.ssl') !== false, notes));
  const deadline = text('mqtt.gracePeriod');
  const isLong = deadline !== undefined && (parseDuration(deadline) ?? 0) > DEADLINE_MS;
  if (deadline !== undefined && !isLong)
    notes.push(`mqtt.gracePeriod ${deadline}: shutdown.deadline is 10s, and what is in flight stays at the broker`);
  const timeout = text('mqtt.timeout');
  if (timeout !== undefined) notes.push(`mqtt.timeout ${timeout}: a broker that cannot be reached is tried for ever`);
  const workingDir = text('workingDir');
  if (workingDir !== undefined)
    notes.push(
      `workingDir ${workingDir}: the data folder is another one; what is left there is read with hydrant find --from ${workingDir}`,
    );
  return { config: { archive, ...(isLong && { shutdown: { deadline } }) }, notes };
}

function readKeys(file: string, notes: string[]): Map<string, unknown> {
  let root: unknown;
  try {
    root = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new HydrantError('HYD_USAGE', `${file}: ${errorText(error)}`, { cause: error, fix: 'Give a file that exists and is YAML.' });
  }
  const names = new Map(Object.keys(DEFAULTS).map((key) => [key.toLowerCase(), key]));
  const given = new Map(Object.entries(DEFAULTS));
  for (const [path, value] of leaves(root, '')) {
    const key = names.get(path.toLowerCase());
    if (key) given.set(key, value);
    else notes.push(`${path}: mqtt-archiver has no such key`);
  }
  return given;
}

function leaves(value: unknown, path: string): [string, unknown][] {
  if (!isObject(value)) return path === '' ? [] : [[path, value]];
  return Object.entries(value).flatMap(([name, child]) => leaves(child, path === '' ? name : `${path}.${name}`));
}

/** Its MQTT library has names of its own for the protocols, and takes an address without one. */
function readBroker(text: string): { urls: string[]; username?: string; password?: string } {
  const schemes: Record<string, string> = { tcp: 'mqtt', ssl: 'mqtts', tls: 'mqtts', tcps: 'mqtts', 'mqtt+ssl': 'mqtts' };
  const [, scheme = 'tcp', rest = text] = /^([a-z0-9+]+):\/\/(.*)$/i.exec(text) ?? [];
  const name = scheme.toLowerCase();
  const address = `${schemes[name] ?? name}://${rest.startsWith(':') ? `127.0.0.1${rest}` : rest}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || url.hostname === '')
    throw new HydrantError('HYD_USAGE', `mqtt.broker ${JSON.stringify(text)} is not the address of a broker`);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  return {
    urls: [url.href],
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
  };
}

/** What its regular expressions have and JavaScript's have under another name. */
function readRegex(source: string): string {
  const [, flags, body = source] = /^\(\?([ims]+)\)(.*)$/s.exec(source) ?? [];
  const inner = body.replaceAll('(?P<', '(?<').replaceAll('\\A', '^').replaceAll('\\z', '$');
  const regex = flags ? `(?${flags}:${inner})` : inner;
  try {
    new RegExp(regex, 'u');
    return regex;
  } catch (error) {
    throw new HydrantError('HYD_USAGE', `exclude ${JSON.stringify(source)} cannot be taken over: ${errorText(error)}`, {
      cause: error,
      fix: 'Write it as a regular expression of JavaScript, or give the filters as archive.exclude.filters.',
    });
  }
}

function readStore(text: (key: string) => string | undefined, isTls: boolean, notes: string[]): Record<string, unknown> {
  const [bucket, endpoint, accessKeyId, secretAccessKey] = ['bucket', 'endpoint', 'accessKey', 'secretKey'].map((name) =>
    text(`s3.${name}`),
  );
  if (bucket === undefined) {
    notes.push('s3: it names no bucket, so the archive stays in the data folder');
    return {};
  }
  const region = endpoint === undefined ? undefined : AWS.exec(endpoint);
  return {
    to: `s3://${bucket}`,
    s3: {
      ...(endpoint !== undefined && !region && { endpoint: `${isTls ? 'https' : 'http'}://${endpoint}` }),
      ...(region && { region: region[1] ?? 'us-east-1' }),
      ...(accessKeyId !== undefined && { accessKeyId }),
      ...(secretAccessKey !== undefined && { secretAccessKey }),
    },
  };
}
