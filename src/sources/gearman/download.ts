import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import { formatSize } from '../../core/units.ts';
import { JobFault } from './build-job.ts';
import { bounded, unpacked } from './unpack.ts';

export interface DownloadOptions {
  /** Of the unpacked file. */
  maxBytes: number;
  /** For one attempt, from the request to the last byte. */
  timeoutMs: number;
  /** How long what cannot be had is tried again, where the job asks for it. */
  retryForMs: number;
  /** Appended to the address as `?level=`. */
  level?: string | undefined;
  signal: AbortSignal;
  random: () => number;
}

const BACKOFF = { minMs: 1000, maxMs: 60_000 };
const MAX_REDIRECTS = 5;

/**
 * Fetches a file, packed (`<url>.gz`) or else plain, and gives it unpacked to `read`, which is called anew for each attempt.
 * @throws JobFault when it cannot be had; the signal's reason; what `read` throws
 */
export async function download<T>(
  { sourceUrl, retry }: { sourceUrl: string; retry: boolean },
  options: DownloadOptions,
  read: (bytes: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  const untilMs = performance.now() + (retry ? options.retryForMs : 0);
  for (let failures = 0; ; failures++) {
    const faults: JobFault[] = [];
    for (const suffix of ['.gz', '']) {
      try {
        return await read(fetchBytes(locate(sourceUrl, suffix, options.level), options));
      } catch (error) {
        if (!(error instanceof JobFault) || error instanceof TooLarge) throw error;
        faults.push(error);
      }
    }
    const delayMs = backoffMs(BACKOFF, failures, options.random);
    if (performance.now() + delayMs > untilMs) throw new JobFault(faults.at(-1)!.reason, faults.map(({ message }) => message).join('; '));
    await sleep(delayMs, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted());
  }
}

function locate(sourceUrl: string, suffix: string, level: string | undefined): URL {
  const url = parseUrl(sourceUrl);
  url.pathname += suffix;
  if (level !== undefined) url.searchParams.set('level', level);
  return url;
}

function parseUrl(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new JobFault('an address is neither http nor https', `${JSON.stringify(text)} is no address of a file`);
  return url;
}

/** What comes from an address. Every fault of the network, the server and the file is a JobFault. */
async function* fetchBytes(url: URL, { maxBytes, timeoutMs, signal }: DownloadOptions): AsyncGenerator<Buffer> {
  const late = AbortSignal.timeout(timeoutMs);
  const tooLarge = (): JobFault => new TooLarge('a file is too large', `${url} has more than ${formatSize(maxBytes)}`);
  try {
    const body = await openBody(url, AbortSignal.any([signal, late]));
    yield* bounded(unpacked(bounded(body, maxBytes, tooLarge)), maxBytes, tooLarge);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof JobFault) throw error;
    if (late.aborted) throw new JobFault('a file took too long', `${url} took longer than ${timeoutMs} ms`);
    const { cause } = error as Error;
    const why = cause instanceof Error ? cause.message : (error as Error).message;
    throw new JobFault('a file could not be read', `${url}: ${why}`);
  }
}

async function openBody(start: URL, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await fetch(url, { signal, redirect: 'manual' });
    if (response.ok) return response.body ?? empty();
    await response.body?.cancel();
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null)
      throw new JobFault('a file is not there', `${url}: status ${response.status}`);
    url = parseUrl(location, url);
  }
  throw new JobFault('a file is not there', `${start}: more than ${MAX_REDIRECTS} redirects`);
}

async function* empty(): AsyncGenerator<Uint8Array> {}

/** A file that the next attempt will not make smaller. */
class TooLarge extends JobFault {}
