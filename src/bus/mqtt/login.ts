import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import { ConnectRefused } from '../../mqtt/connect-refused.ts';
import { plainUrl } from '../../mqtt/dial.ts';
import type { LinkContext } from './link-context.ts';
import type { CredentialProvider, CredentialRequest, Credentials } from './options.ts';

const TIMEOUT_MS = 10_000;
/** Of their time, after which credentials are renewed. */
const RENEW_AT = 0.8;
/** Credentials that are due as they come are not asked for in a circle. */
const LEAST_MS = 1_000;
/** CONNACK codes that tell of user name, password, token or method: of MQTT 3.1.1 §3.2.2.3 and of MQTT 5 §3.2.2.2. */
const LOGIN_REFUSED = new Set([4, 5, 0x86, 0x87, 0x8c]);

/** What a link shows the servers, asked for before each connect. */
export class Login {
  readonly #context: LinkContext;
  #refusals = 0;
  #refusal: ConnectRefused | undefined;
  #renewed: Credentials | undefined;

  constructor(context: LinkContext) {
    this.#context = context;
  }

  /** For the next connect. @throws HYD_CREDENTIALS, or what the provider rejects with */
  async take(url: string, signal: AbortSignal): Promise<Credentials> {
    const renewed = this.#renewed;
    this.#renewed = undefined;
    return renewed ?? (await this.ask(url, signal));
  }

  /** What the next connect takes: it was asked for already. */
  keep(renewed: Credentials): void {
    this.#renewed = renewed;
  }

  async ask(url: string, signal: AbortSignal): Promise<Credentials> {
    const { credentials: provider, username, password, connectTimeoutMs = TIMEOUT_MS } = this.#context.options;
    if (!provider) return { username, password };
    const refusal = this.#refusal ? { refusal: this.#refusal } : {};
    const credentials = await askWithin(provider, { url: plainUrl(url), refusals: this.#refusals, ...refusal, signal }, connectTimeoutMs);
    return { ...credentials, validFromMs: credentials.validFromMs ?? this.#context.timing.now() };
  }

  onAccepted(credentials: Credentials): void {
    this.#refusals = 0;
    this.#refusal = undefined;
    credentials.onAccepted?.();
  }

  onFailure(error: Error): void {
    if (!isLoginRefused(error)) return;
    this.#refusals++;
    this.#refusal = error;
  }
}

/** Until credentials are to be renewed; undefined: never. */
export function renewInMs({ validFromMs = 0, validUntilMs }: Credentials, nowMs: number): number | undefined {
  if (validUntilMs === undefined) return undefined;
  return Math.max(LEAST_MS, validFromMs + (validUntilMs - validFromMs) * RENEW_AT - nowMs);
}

export function isLoginRefused(error: Error): error is ConnectRefused {
  return error instanceof ConnectRefused && LOGIN_REFUSED.has(error.reasonCode);
}

/** A provider that hangs costs an attempt, not the link. */
async function askWithin(provider: CredentialProvider, request: CredentialRequest, timeoutMs: number): Promise<Credentials> {
  const { url, signal: stop } = request;
  const asking = new AbortController();
  const givenUp = Promise.withResolvers<never>();
  const giveUp = (error: unknown): void => {
    asking.abort(error);
    givenUp.reject(error);
  };
  const stopped = (): void => giveUp(stop.reason);
  const timer = setTimeout(() => {
    giveUp(new HydrantError('HYD_CREDENTIALS', `no credentials for ${url} within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  stop.addEventListener('abort', stopped, { once: true });
  try {
    if (stop.aborted) throw stop.reason;
    return await Promise.race([provider({ ...request, signal: asking.signal }), givenUp.promise]);
  } catch (cause) {
    if (cause instanceof HydrantError && cause.code === 'HYD_CREDENTIALS') throw cause;
    throw new HydrantError('HYD_CREDENTIALS', `no credentials for ${url}: ${errorText(cause)}`, { cause, fix: errorFix(cause) });
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', stopped);
  }
}
