import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import type { Client } from '../../mqtt/client.ts';
import { plainUrl } from '../../mqtt/dial.ts';
import { connectBackoffMs } from './connect-backoff.ts';
import type { LinkContext } from './link-context.ts';
import { type Login, renewInMs } from './login.ts';
import type { Credentials } from './options.ts';

/** The longest that a timer takes; whoever wakes early sleeps again. */
const LONGEST_MS = 2_147_483_647;

interface Parts {
  client: Client;
  url: string;
  /** What the connection was made with. */
  credentials: Credentials;
  login: Login;
  /** Resolves when nothing is out any more, or after a while. */
  rest(): Promise<void>;
}

/**
 * Renews the credentials of one connection before they end: in its session where both sides can (MQTT 5 §4.12.1), else by a reconnect that
 * waits for what is out. A provider that fails leaves the connection as it is and is asked again.
 */
export class Renewal {
  readonly #parts: Parts;
  readonly #context: LinkContext;
  readonly #over = new AbortController();
  #credentials: Credentials;
  #failures = 0;
  #isPlanned = false;
  #wake: () => void = () => {};
  #wanted: PromiseWithResolvers<void> | undefined;

  constructor(parts: Parts, context: LinkContext) {
    this.#parts = parts;
    this.#context = context;
    this.#credentials = parts.credentials;
    void parts.client.closed.then(() => this.#end());
    void this.#run();
  }

  /** The connection was ended to go on with other credentials. */
  get isPlanned(): boolean {
    return this.#isPlanned;
  }

  /** Now. Resolves when the connection has others, or has ended: the next one asks for its own. */
  renew(): Promise<void> {
    if (!this.#context.options.credentials || this.#over.signal.aborted) return Promise.resolve();
    this.#wanted ??= Promise.withResolvers();
    this.#wake();
    return this.#wanted.promise;
  }

  async #run(): Promise<void> {
    while (!this.#over.signal.aborted && !this.#isPlanned) {
      await this.#due();
      if (this.#over.signal.aborted) return;
      await this.#step();
    }
  }

  async #due(): Promise<void> {
    const { timing } = this.#context;
    while (!this.#over.signal.aborted && !this.#wanted) {
      const leftMs = this.#failures > 0 ? connectBackoffMs(this.#failures, 1, timing.random) : renewInMs(this.#credentials, timing.now());
      const waking = new AbortController();
      const woken = new Promise<void>((resolve) => {
        this.#wake = () => {
          waking.abort();
          resolve();
        };
      });
      if (leftMs === undefined) await woken;
      else await timing.sleep(Math.min(leftMs, LONGEST_MS), waking.signal);
      if (leftMs !== undefined && leftMs <= LONGEST_MS) return;
    }
  }

  async #step(): Promise<void> {
    const { client, url, login } = this.#parts;
    const wanted = this.#wanted;
    try {
      const next = await login.ask(url, this.#over.signal);
      if (this.#over.signal.aborted) return;
      this.#failures = 0;
      if (this.#isSameMethod(next)) await this.#reauthenticate(next);
      else await this.#reconnect(next);
      wanted?.resolve();
    } catch (error) {
      if (this.#over.signal.aborted) return;
      this.#failures++;
      this.#context.log('warn', 'credentials could not be renewed', {
        url: plainUrl(url),
        clientId: client.clientId,
        error: errorText(error),
        fix: errorFix(error),
      });
      wanted?.promise.catch(() => {});
      wanted?.reject(error);
    }
    if (this.#wanted === wanted) this.#wanted = undefined;
  }

  #isSameMethod({ authentication }: Credentials): boolean {
    const { method } = this.#credentials.authentication ?? {};
    return this.#context.dialect.version === 5 && method !== undefined && authentication?.method === method;
  }

  async #reauthenticate(next: Credentials): Promise<void> {
    const { client, url, login } = this.#parts;
    await client.reauthenticate(next.authentication!.data, this.#context.options.connectTimeoutMs);
    this.#credentials = next;
    login.onAccepted(next);
    this.#context.log('debug', 'the broker has taken renewed credentials', { url: plainUrl(url), clientId: client.clientId });
  }

  async #reconnect(next: Credentials): Promise<void> {
    const { client, url, login, rest } = this.#parts;
    await rest();
    if (this.#over.signal.aborted) return;
    this.#isPlanned = true;
    login.keep(next);
    this.#context.log('info', 'connecting again with renewed credentials', { url: plainUrl(url), clientId: client.clientId });
    await client.close();
  }

  #end(): void {
    this.#over.abort(new HydrantError('HYD_ABORTED', 'the connection has ended'));
    this.#wake();
    this.#wanted?.resolve();
  }
}
