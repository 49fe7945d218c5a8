import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Command, Option } from 'commander';
import { type Catalogue, openCatalogue } from '../archive/catalogue.ts';
import { HydrantError } from '../core/errors.ts';
import type { S3Settings } from '../storage/options.ts';
import type { ReadableStore } from '../storage/store.ts';
import { escapeText } from './escape.ts';
import type { Io } from './io.ts';
import { dataOption, sizeBytes } from './options.ts';
import { watchStore } from './watched-store.ts';

/** Which archive a command reads. */
export interface PlaceOptions {
  data?: string;
  /** `s3://bucket/prefix`, `file:///dir` or a folder. */
  from?: string;
  /** Only the data folder, whatever its configuration says. */
  local?: boolean;
  endpoint?: string;
  region?: string;
  /** Bytes kept on disk of what was fetched; 0 keeps nothing. */
  cacheBytes?: number;
}

/** An archive to be read: a data folder, a remote store, or both as one. */
export interface ArchivePlace extends AsyncDisposable {
  catalogue: Catalogue;
  /** The data folder, when it is read. */
  dataDir: string | undefined;
  /** The store beside or instead of the data folder: what objects are put into when the local ones are to be repaired or re-sent. */
  remote: { url: string; s3: S3Settings | undefined } | undefined;
}

const DEFAULT_CACHE_BYTES = 1024 ** 3;

/** `--data`, `--from` and what goes with them. */
export function addPlaceOptions(command: Command): Command {
  return command
    .addOption(dataOption())
    .option('--from <url>', 'read this archive: s3://bucket/prefix, file:///dir or a folder; with --data both as one')
    .option('--local', 'only the data folder, also when its configuration sends the archive elsewhere')
    .option('--endpoint <url>', 'server that speaks S3 (default: that of the folder’s configuration, else AWS)')
    .option('--region <name>', 'region of the bucket')
    .addOption(
      new Option('--cache-bytes <size>', 'keep at most so much of what is fetched from S3 on disk, 0 nothing')
        .argParser(sizeBytes)
        .default(DEFAULT_CACHE_BYTES, '1GiB'),
    );
}

/**
 * Opens what the options name: with `--from` alone that store, with `--data` too both as one, local first. Without `--from` the data folder,
 * and with it the store that its configuration names in `archive.to`; that is said on stderr.
 * @throws HYD_USAGE, HYD_CONFIG, HYD_DATA_MISSING
 */
export async function openArchivePlace(options: PlaceOptions, io: Pick<Io, 'env' | 'stderr' | 'signal'>): Promise<ArchivePlace> {
  if (options.local && options.from !== undefined)
    throw new HydrantError('HYD_USAGE', '--local and --from exclude each other', { fix: 'Leave one of them out.' });
  const { resolveDataDir } = await import('../app/data-dir.ts');
  const dataDir = options.from !== undefined && options.data === undefined ? undefined : resolveDataDir(options.data, io.env);
  const remote = await remoteOf(options, dataDir, io.env);
  if (!remote) {
    const catalogue = await openCatalogue(dataDir!);
    return { catalogue, dataDir, remote, [Symbol.asyncDispose]: () => catalogue.store.close() };
  }
  const store = watchStore(await openRemote(remote, options, io.env));
  if (options.from === undefined && dataDir !== undefined) {
    io.stderr.write(`reading ${escapeText(dataDir)} and ${escapeText(remote.url)}; --local reads the folder alone\n`);
  }
  const catalogue = await openCatalogue(dataDir, { name: remote.url, store });
  const close = (): Promise<void> => catalogue.store.close();
  // Whoever presses Ctrl-C does not wait for a store that does not answer.
  io.signal.addEventListener('abort', close, { once: true });
  return {
    catalogue,
    dataDir,
    remote,
    async [Symbol.asyncDispose]() {
      io.signal.removeEventListener('abort', close);
      const isBare = dataDir === undefined && !io.signal.aborted && (await store.isBare().catch(() => false));
      if (isBare) io.stderr.write(`there is no archive in ${escapeText(remote.url)}, or nothing in it yet; is the address right?\n`);
      await close();
    },
  };
}

async function remoteOf(options: PlaceOptions, dataDir: string | undefined, env: NodeJS.ProcessEnv): Promise<ArchivePlace['remote']> {
  if (options.local) return undefined;
  const configured = dataDir === undefined ? undefined : await readConfigured(dataDir, env);
  const url = options.from === undefined ? configured?.to : urlOf(options.from);
  if (url === undefined) return undefined;
  return { url, s3: url.startsWith('s3:') ? await s3Of(options, configured?.s3) : undefined };
}

/** Section `archive` of the folder's own configuration, if anything says something of it. */
async function readConfigured(dataDir: string, env: NodeJS.ProcessEnv): Promise<{ to?: string; s3: S3Settings } | undefined> {
  const inEnvironment = Object.keys(env).some((name) => name === 'HYDRANT_CONFIG' || name.startsWith('HYDRANT_ARCHIVE_'));
  if (!inEnvironment && !existsSync(join(dataDir, 'hydrant.yaml'))) return undefined;
  const { loadConfig } = await import('../app/config.ts');
  try {
    return loadConfig({ env, data: dataDir }).config.archive;
  } catch (error) {
    if (!(error instanceof HydrantError)) throw error;
    throw new HydrantError(error.code, error.message, { cause: error, fix: `${error.fix} Or read the folder alone: --local.` });
  }
}

/** A folder may be given as a path. */
function urlOf(from: string): string {
  return /^(?:[a-z0-9]+:\/\/|(?:s3|file):)/i.test(from) ? from : pathToFileURL(resolve(from)).href;
}

async function s3Of({ endpoint, region }: PlaceOptions, configured: S3Settings | undefined): Promise<S3Settings> {
  const { s3Options } = await import('../storage/options.ts');
  const given = { ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) };
  const checked = s3Options.safeParse(given);
  if (!checked.success) {
    throw new HydrantError('HYD_USAGE', `--endpoint is ${JSON.stringify(endpoint)}: ${checked.error.issues[0]?.message}`, {
      fix: 'Give a URL such as https://minio.example.org:9000.',
    });
  }
  return { ...(configured ?? checked.data), ...given };
}

async function openRemote(
  { url, s3 }: NonNullable<ArchivePlace['remote']>,
  options: PlaceOptions,
  env: NodeJS.ProcessEnv,
): Promise<ReadableStore> {
  const { openStore } = await import('../storage/open.ts');
  const store = await openStore(url, { s3 });
  if (!url.startsWith('s3:')) {
    if (options.from !== undefined) await assertFolder(fileURLToPath(url));
    return store;
  }
  const maxBytes = options.cacheBytes ?? DEFAULT_CACHE_BYTES;
  if (maxBytes === 0) return store;
  const [{ createCachedStore }, { resolveCacheDir }] = await Promise.all([import('../storage/cached.ts'), import('../app/data-dir.ts')]);
  return createCachedStore(store, { dir: join(resolveCacheDir(env), 'archive'), id: `${s3?.endpoint ?? ''} ${url}`, maxBytes });
}

/** An empty folder is an archive without events; one that is not there is a mistake. */
async function assertFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new HydrantError('HYD_DATA_MISSING', `--from: there is no folder ${path}`, { fix: 'Give the folder that holds the objects.' });
  }
  if (!(await stat(join(path, 'hydrant.json')).catch(() => undefined))) return;
  throw new HydrantError('HYD_USAGE', `--from: ${path} is a data folder`, { fix: `Give it with --data ${path}.` });
}
