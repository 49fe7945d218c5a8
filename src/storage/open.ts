import { fileURLToPath } from 'node:url';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { createFsStore } from './drivers/fs.ts';
import { type S3Settings, s3Options } from './options.ts';
import type { ObjectStore } from './store.ts';

export interface OpenStoreOptions {
  /** Section `archive.s3` of the configuration. Default: as if it were empty. */
  s3?: S3Settings;
  /** For whoever writes there: a bucket that does not exist is made before anything is asked of it, if the section allows that. Default false. */
  makeBucket?: boolean;
  /** For whoever writes there: which keys are its own, where leavings of uploads are removed. Default: all. */
  owns?: (key: string) => boolean;
  /** Default: silent. */
  log?: Log;
}

/** What a URL of a store says. */
export type StoreLocation = { kind: 'file'; path: string } | { kind: 's3'; bucket: string; prefix: string };

/**
 * Opens the store that a URL names: `s3://bucket/prefix` or `file:///dir`. Nothing is asked of the store yet, so a server that is down
 * fails the first call that needs it. The driver of S3 is loaded only here.
 * @throws HYD_USAGE for another URL
 */
export async function openStore(url: string, { s3, ...options }: OpenStoreOptions = {}): Promise<ObjectStore> {
  const location = parseStoreUrl(url);
  if (location.kind === 'file') return createFsStore(location.path);
  const { createS3Store } = await import('./drivers/s3.ts');
  return createS3Store({ ...location, settings: s3 ?? s3Options.parse({}), ...options });
}

/** @throws HYD_USAGE naming the URL, without what it holds of a password */
export function parseStoreUrl(url: string): StoreLocation {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.username || parsed?.password) {
    throw new HydrantError('HYD_USAGE', `the URL of a store holds no keys, but that of ${parsed.host} does`, {
      fix: 'Give the keys in archive.s3.accessKeyId and archive.s3.secretAccessKeyFile, or in the environment as for every tool of AWS.',
    });
  }
  if (parsed?.search === '' && parsed.hash === '' && isDecodable(parsed.pathname)) {
    if (parsed.protocol === 'file:' && parsed.host === '' && parsed.pathname.length > 1)
      return { kind: 'file', path: fileURLToPath(parsed) };
    if (parsed.protocol === 's3:' && BUCKET.test(parsed.host))
      return { kind: 's3', bucket: parsed.host, prefix: readPrefix(parsed.pathname) };
  }
  throw new HydrantError('HYD_USAGE', `store ${JSON.stringify(url)}: expected s3://bucket/prefix or file:///dir`, {
    fix: 'Give s3://BUCKET, s3://BUCKET/PREFIX or file:///ABSOLUTE/FOLDER.',
  });
}

/** What S3 takes as a bucket's name, and the longer ones with capitals and _ that older ones have. */
const BUCKET = /^[a-zA-Z0-9][a-zA-Z0-9._-]{2,254}$/;

/** `/a/b` or `/a/b/` → `a/b/`; nothing stays nothing. */
function readPrefix(pathname: string): string {
  const levels = pathname.split('/').filter((level) => level !== '');
  return levels.map((level) => `${decodeURIComponent(level)}/`).join('');
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
