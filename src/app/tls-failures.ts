import { systemCode } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

/** A line a minute for each reason and door: a port scanner does not fill the log. */
const QUIET_MS = 60_000;

/** What OpenSSL and Node say, and the reason under which it is counted. */
const REASONS: Record<string, string> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'no-certificate',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'old-version',
  ERR_SSL_NO_SHARED_CIPHER: 'no-shared-cipher',
  ERR_SSL_HTTP_REQUEST: 'not-tls',
  ERR_SSL_WRONG_VERSION_NUMBER: 'not-tls',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'other-protocol',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',
  ECONNRESET: 'cut',
  EPIPE: 'cut',
};

/** Connections that did not come through the TLS handshake: all counted, some logged. */
export class TlsFailures {
  /** How often, by reason. */
  readonly counts: Record<string, number> = {};
  readonly #log: Log;
  readonly #now: () => number;
  readonly #told = new Map<string, { atMs: number; since: number }>();

  constructor(log: Log, now: () => number = Date.now) {
    this.#log = log;
    this.#now = now;
  }

  /** @param reason a stable word, such as those of `failureReason` */
  note(listener: string, reason: string, seen: { remote?: string; error: string }): void {
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
    const key = `${listener} ${reason}`;
    const told = this.#told.get(key);
    const nowMs = this.#now();
    if (told && nowMs - told.atMs < QUIET_MS) {
      told.since++;
      return;
    }
    this.#told.set(key, { atMs: nowMs, since: 0 });
    this.#log('info', 'a TLS handshake failed', { listener, reason, ...seen, times: (told?.since ?? 0) + 1 });
  }
}

/** `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA` and its like are the client's word on our certificate. */
export function failureReason(error: Error): string {
  const code = systemCode(error) ?? '';
  return REASONS[code] ?? (code.includes('_ALERT_') ? 'refused-by-client' : 'other');
}
