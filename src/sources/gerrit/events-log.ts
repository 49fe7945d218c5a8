import { errorText, HydrantError } from '../../core/errors.ts';
import { LineSplitter } from '../line-splitter.ts';

export interface EventsLogOptions {
  /** Where Gerrit's pages are: `https://review.example.com`. */
  url: string;
  user: string;
  password?: string | undefined;
  /** IANA name of the zone in which the server reads times. */
  timeZone: string;
  maxLine: number;
}

export interface EventsPage {
  /** In the order of their times. */
  lines: Buffer[];
  /** There may be more behind the last. */
  isFull: boolean;
}

/** What the plugin gives at a time, unless its `returnLimit` says otherwise. */
const LIMIT = 5_000;
/** A page is cut here: what follows comes with the next. */
const MAX_PAGE_BYTES = 64 * 1024 ** 2;
const PAGE_MS = 60_000;

/** Gerrit's events-log plugin: the events of the last days, over HTTP. */
export class EventsLog {
  readonly #options: EventsLogOptions;
  readonly #clock: Intl.DateTimeFormat;

  constructor(options: EventsLogOptions) {
    this.#options = options;
    // The one locale that writes 2026-11-21 22:53:30.
    this.#clock = new Intl.DateTimeFormat('sv-SE', { timeZone: options.timeZone, dateStyle: 'short', timeStyle: 'medium' });
  }

  /**
   * Events of these seconds, both included.
   * @throws HYD_SOURCE
   */
  async read(fromS: number, untilS: number, signal: AbortSignal): Promise<EventsPage> {
    const { url } = this.#options;
    const timed = AbortSignal.any([signal, AbortSignal.timeout(PAGE_MS)]);
    const query = `t1=${this.#time(fromS)};t2=${this.#time(untilS)}`;
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}/a/plugins/events-log/events/?${query}`, {
        headers: this.#headers(),
        redirect: 'manual',
        signal: timed,
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw this.#refusal(response.status);
      }
      return await this.#page(response.body);
    } catch (error) {
      if (error instanceof HydrantError) throw error;
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new HydrantError('HYD_SOURCE', `the events log at ${url} does not answer: ${errorText(cause)}`, {
        cause: error,
        fix: 'Check `eventsLog.url` and that this machine reaches it: it is where a browser finds Gerrit.',
      });
    }
  }

  async #page(body: AsyncIterable<Uint8Array> | null): Promise<EventsPage> {
    const lines: Buffer[] = [];
    let bytes = 0;
    const splitter = new LineSplitter(this.#options.maxLine, () => {});
    for await (const chunk of body ?? []) {
      for (const line of splitter.push(Buffer.from(chunk))) if (line.length > 0) lines.push(line);
      bytes += chunk.length;
      if (bytes > MAX_PAGE_BYTES && lines.length > 0) return { lines, isFull: true };
    }
    const rest = splitter.end();
    if (rest?.length) lines.push(rest);
    return { lines, isFull: lines.length >= LIMIT };
  }

  #headers(): Record<string, string> {
    const { user, password } = this.#options;
    return password === undefined ? {} : { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  }

  #time(seconds: number): string {
    return encodeURIComponent(this.#clock.format(seconds * 1000));
  }

  #refusal(status: number): HydrantError {
    const { url, user } = this.#options;
    const fixes: Record<number, string> = {
      401: `Give the HTTP password of ${user}, made in Gerrit under Settings, HTTP Credentials, in \`eventsLog.password\`.`,
      403: `Let ${user} read the events in Gerrit.`,
      404: 'Install the events-log plugin in Gerrit, or correct `eventsLog.url`; without the plugin leave it out.',
      503: 'The database of the events-log plugin is away; it is asked again.',
    };
    const fix = fixes[status] ?? 'Check `eventsLog.url`: it is where a browser finds Gerrit, without a redirect.';
    return new HydrantError('HYD_SOURCE', `the events log at ${url} answers ${status}`, { fix });
  }
}
