import { setTimeout as sleep } from 'node:timers/promises';
import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import { type Client, type ClientOptions, connectClient } from '../../mqtt/client.ts';
import type { ClientEnd } from '../../mqtt/client-options.ts';
import { ConnectRefused } from '../../mqtt/connect-refused.ts';
import { plainUrl } from '../../mqtt/dial.ts';
import { tlsFix } from '../../mqtt/tls-fix.ts';
import { connectBackoffMs } from './connect-backoff.ts';
import type { LinkContext } from './link-context.ts';
import { isLoginRefused, Login } from './login.ts';
import type { Credentials, LinkChange, LinkStatus, Timing } from './options.ts';
import { Renewal } from './renewal.ts';

/** A connection that held this long was a good one: what comes after its loss begins anew. */
const HELD_MS = 10_000;
/** So many connections in a row that the server ended sooner than that: somebody else connects under our client id. */
const DROPS = 5;
const CLEAN_MS = 2_000;
const SESSION_TAKEN_OVER = 0x8e;
/** CONNACK codes that no second attempt mends: of MQTT 3.1.1 §3.2.2.3 and of MQTT 5 §3.2.2.2. */
const FINAL = new Set([2, 4, 5, 0x85, 0x86, 0x87, 0x8a, 0x8c]);
const VERSION_REFUSED = new Set([1, 0x84]);
/** Rounds of failures after which the delay is the longest. */
const LONGEST = 20;

export const SYSTEM_TIMING: Timing = {
  now: Date.now,
  random: Math.random,
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
};

/** Whose connection it is. */
export interface LinkOwner {
  readonly clientId: string;
  /** Others may connect under this client id. */
  readonly durable: boolean;
  /** On the last connection something was sent and nothing acknowledged: the server may have hung up over that. */
  readonly isStuck: boolean;
  /** What CONNECT says, for each attempt anew, and what stands behind the connection. */
  connectOptions(version: 4 | 5): Partial<ClientOptions>;
  /** After each CONNACK. What it rejects with ends the link when no connection stood before; afterwards it is tried again. */
  onUp(client: Client): Promise<void>;
  onDown(end: ClientEnd): void;
  /** Sends nothing more on this connection. Resolves when all that was sent is acknowledged, and after a while when it is not. */
  rest(): Promise<void>;
}

/** Keeps one connection to one of the servers, one at a time: after a loss the same server first, after a failure the next. */
export class SteadyLink {
  /** Resolves when it is over: with the error that no attempt mends, with none after `close()`. */
  readonly ended = Promise.withResolvers<HydrantError | undefined>();
  readonly #owner: LinkOwner;
  readonly #context: LinkContext;
  readonly #login: Login;
  readonly #stop = new AbortController();
  readonly #status: { -readonly [K in keyof LinkStatus]: LinkStatus[K] };
  #client: Client | undefined;
  #renewal: Renewal | undefined;
  #turn = 0;
  #failures = 0;
  #drops = 0;
  #stood = false;

  constructor(owner: LinkOwner, context: LinkContext) {
    this.#owner = owner;
    this.#context = context;
    this.#login = new Login(context);
    this.#status = {
      clientId: owner.clientId,
      url: undefined,
      sinceMs: context.timing.now(),
      lastError: undefined,
      connects: 0,
      receiveMaximum: undefined,
    };
    void this.#run();
  }

  get status(): LinkStatus {
    return this.#status;
  }

  /** See `MqttBus.renew`. */
  async renew(): Promise<void> {
    await this.#renewal?.renew();
  }

  /** Takes leave with a DISCONNECT. @param sessionExpirySeconds MQTT 5: in place of what CONNECT asked for */
  async close(sessionExpirySeconds?: number): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(new HydrantError('HYD_CLOSED', 'the bus is closed'));
      await this.#client?.close({ sessionExpirySeconds });
    }
    await this.ended.promise;
  }

  /** After `close()`: connects once more to end the session of this client id, if that can be done at once. */
  async clean(): Promise<void> {
    const { signal } = new AbortController();
    const client = await this.#connect(this.#url, signal, () => ({ clean: true, connectTimeoutMs: CLEAN_MS }));
    if (!(client instanceof Error)) await client.close();
  }

  get #url(): string {
    const { urls } = this.#context.options;
    return urls[this.#turn % urls.length]!;
  }

  async #run(): Promise<void> {
    const { timing, options } = this.#context;
    let error: HydrantError | undefined;
    while (!this.#stop.signal.aborted && !error) {
      error = await this.#attempt();
      if (error && options.neverGiveUp && !this.#stop.signal.aborted) {
        this.#context.log('error', 'trying again what no attempt is likely to mend', {
          clientId: this.#owner.clientId,
          error: errorText(error),
          fix: errorFix(error),
        });
        this.#failures = Math.max(this.#failures, LONGEST * options.urls.length);
        this.#drops = 0;
        error = undefined;
      }
      if (error || this.#stop.signal.aborted) break;
      const delayMs = connectBackoffMs(this.#failures, options.urls.length, timing.random, options.maxBackoffMs);
      if (delayMs > 0) await timing.sleep(delayMs, this.#stop.signal);
    }
    this.ended.resolve(error);
  }

  /** One connection, from the attempt to its end. @returns what no further attempt mends */
  async #attempt(): Promise<HydrantError | undefined> {
    const url = this.#url;
    let credentials: Credentials = {};
    const client = await this.#connect(url, this.#stop.signal, (shown) => {
      credentials = shown;
      return this.#owner.connectOptions(this.#context.dialect.version);
    });
    if (client instanceof Error) return this.#onFailure(url, client);
    if (this.#stop.signal.aborted) {
      await client.close();
      return undefined;
    }
    const { timing, log } = this.#context;
    const upMs = timing.now();
    this.#client = client;
    this.#login.onAccepted(credentials);
    const { receiveMaximum } = client.connack.properties ?? {};
    Object.assign(this.#status, { url: plainUrl(url), sinceMs: upMs, connects: this.#status.connects + 1, receiveMaximum });
    log(this.#status.connects === 1 ? 'debug' : 'info', 'connected to the broker', { url: plainUrl(url), clientId: client.clientId });
    this.#tell('up');
    const renewal = new Renewal({ client, url, credentials, login: this.#login, rest: () => this.#owner.rest() }, this.#context);
    this.#renewal = renewal;
    const refused = await this.#owner.onUp(client).then(
      () => this.#standing(),
      (error: unknown) => error as Error,
    );
    if (refused && !this.#stop.signal.aborted) await client.close();
    const end = await client.closed;
    this.#client = this.#renewal = undefined;
    const lastError = refused ?? end.error;
    Object.assign(this.#status, { url: undefined, sinceMs: timing.now(), lastError: lastError ?? this.#status.lastError });
    this.#owner.onDown(end);
    if (this.#stop.signal.aborted || renewal.isPlanned) this.#tell('down');
    if (this.#stop.signal.aborted) return undefined;
    if (renewal.isPlanned) {
      this.#failures = 0;
      return undefined;
    }
    if (refused && !isLoss(refused)) return this.#onFailure(url, refused);
    return this.#onLoss(url, end, timing.now() - upMs < HELD_MS);
  }

  #standing(): undefined {
    this.#stood = true;
  }

  async #connect(url: string, signal: AbortSignal, more: (credentials: Credentials) => Partial<ClientOptions>): Promise<Client | Error> {
    const { options, dialect } = this.#context;
    const { tls, keepAliveSeconds = 60, connectTimeoutMs } = options;
    const connecting = new AbortController();
    const stop = (): void => connecting.abort(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const credentials = await this.#login.take(url, connecting.signal);
      const { username, password, authentication } = credentials;
      return await connectClient({
        url,
        username,
        password,
        authentication,
        tls,
        keepAliveSeconds,
        pingTimeoutMs: Math.min(10_000, keepAliveSeconds > 0 ? keepAliveSeconds * 500 : 10_000),
        connectTimeoutMs,
        clientId: this.#owner.clientId,
        version: dialect.version,
        signal: connecting.signal,
        ...more(credentials),
      });
    } catch (error) {
      return error as Error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #onFailure(url: string, error: Error): HydrantError | undefined {
    const { dialect, log, options } = this.#context;
    if (this.#stop.signal.aborted) return undefined;
    this.#status.lastError = error;
    if (error instanceof ConnectRefused && VERSION_REFUSED.has(error.reasonCode) && dialect.version === 5) {
      dialect.version = 4;
      log('warn', 'the broker does not speak MQTT 5: going on with 3.1.1, which carries no event properties', { url: plainUrl(url) });
      return undefined;
    }
    this.#login.onFailure(error);
    this.#tell(isLoginRefused(error) ? 'refused' : 'failed', error);
    this.#drops = 0;
    this.#turn++;
    this.#failures++;
    // A provider that hears of a refused login may have others.
    if (!this.#stood && isFinal(error) && !(options.credentials && isLoginRefused(error))) return error as HydrantError;
    const why = { error: errorText(error), fix: errorFix(error) };
    log('warn', 'no connection to the broker', { url: plainUrl(url), clientId: this.#owner.clientId, ...why });
    return undefined;
  }

  #onLoss(url: string, { error, reasonCode, hungUp }: ClientEnd, soon: boolean): HydrantError | undefined {
    const { clientId, durable, isStuck } = this.#owner;
    const why = { error: errorText(error), fix: errorFix(error) };
    this.#context.log('warn', 'the connection to the broker is lost', { url: plainUrl(url), clientId, ...why });
    this.#drops = soon && hungUp && !isStuck ? this.#drops + 1 : 0;
    this.#failures = soon ? this.#failures + 1 : 0;
    if (soon) this.#turn++;
    const isTakenOver = durable && (reasonCode === SESSION_TAKEN_OVER || this.#drops >= DROPS);
    if (!isTakenOver) {
      this.#tell('down', error);
      return undefined;
    }
    const how = reasonCode === SESSION_TAKEN_OVER ? '' : `: ${DROPS} connections in a row were ended within ${HELD_MS / 1000} s`;
    const message = `somebody else connects to ${plainUrl(url)} under the client id ${clientId}${how}`;
    const takenOver = new HydrantError('HYD_TAKEN_OVER', message, { cause: error });
    this.#tell('taken-over', takenOver);
    return takenOver;
  }

  #tell(kind: LinkChange['kind'], error?: Error): void {
    this.#context.options.onLink?.({ link: this.#status, kind, ...(error ? { error } : {}) });
  }
}

/** What was asked of a connection that ended, or was ending, meanwhile. */
export function isLoss(error: unknown): boolean {
  return error instanceof HydrantError && (error.code === 'HYD_CONNECT' || error.code === 'HYD_CLOSED');
}

/** What is wrong with the account, the request or the certificates is so the next time too. */
function isFinal(error: Error): boolean {
  if (error instanceof ConnectRefused) return FINAL.has(error.reasonCode);
  if (!(error instanceof HydrantError) || error.code === 'HYD_CREDENTIALS') return false;
  return error.code !== 'HYD_CONNECT' || tlsFix(error.cause) !== undefined;
}
