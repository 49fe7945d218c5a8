import type { Socket } from 'node:net';
import type { Server, TLSSocket, TlsOptions } from 'node:tls';
import { Admission, type AdmissionLimits } from '../broker/admission.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Config } from './config-schema.ts';
import { failureReason, TlsFailures } from './tls-failures.ts';
import { readTlsFiles, type TlsFiles } from './tls-files.ts';

const FORGET_MS = 10_000;

/** What the TLS listeners of a server have in common: certificate, failures, and that the certificate can change while they run. */
export class TlsDoors {
  /** Handshakes that failed, by reason. */
  readonly failures: Record<string, number>;
  readonly #log: Log;
  readonly #failures: TlsFailures;
  readonly #handshakeTimeoutMs: number;
  readonly #admission: Admission;
  readonly #timer: NodeJS.Timeout;
  readonly #clientCertificates: Config['tls']['clientCertificates'];
  readonly #servers = new Set<Server>();
  /** What is under the connections, from before their handshakes on. */
  readonly #sockets = new Set<Socket>();
  /** Where they come from: a socket that was closed no longer knows. */
  readonly #addresses = new WeakMap<Socket, string>();
  #files: TlsFiles;
  /** Path of the authorities in force. */
  #ca: string | undefined;

  /**
   * @param limitsNow those in force now; they hold before the handshake, which costs more than everything before CONNECT
   * @throws HYD_CONFIG when the files cannot be used
   */
  constructor({ tls, limits }: Config, log: Log, limitsNow: () => AdmissionLimits = () => limits) {
    this.#files = readTlsFiles(tls, Date.now());
    this.#clientCertificates = tls.clientCertificates;
    this.#ca = tls.ca;
    this.#handshakeTimeoutMs = limits.connectTimeout;
    this.#log = log;
    this.#failures = new TlsFailures(log);
    this.failures = this.#failures.counts;
    this.#admission = new Admission(limitsNow, Date.now);
    this.#timer = setInterval(() => this.#admission.tick(), FORGET_MS).unref();
    this.#warn();
  }

  get expiresAtMs(): number {
    return this.#files.expiresAtMs;
  }

  /** For creating a listener, which then goes to `add`. */
  get options(): TlsOptions {
    return {
      ...this.#files.context,
      handshakeTimeout: this.#handshakeTimeoutMs,
      requestCert: this.#clientCertificates !== 'none',
      rejectUnauthorized: this.#clientCertificates === 'required',
    };
  }

  /** Counts the failures of a listener, and gives it the certificates to come. */
  add(listener: string, server: Server): void {
    this.#servers.add(server);
    server.on('connection', (socket: Socket) => this.#admit(listener, socket));
    server.on('tlsClientError', (error, socket: TLSSocket) => {
      this.#note(listener, socket, error);
      socket.destroy();
    });
    if (this.#clientCertificates !== 'optional') return;
    server.on('secureConnection', (socket: TLSSocket) => {
      const { authorized, authorizationError } = socket;
      if (!authorized && socket.getPeerX509Certificate()) this.#note(listener, socket, authorizationError);
    });
  }

  /**
   * Reads certificate, key and authorities again. Connections stay as they are.
   * @returns what makes new connections use them; nothing has changed before
   * @throws HYD_CONFIG when the new files cannot be used
   */
  prepare(tls: Config['tls']): () => void {
    // Whether clients are asked is not changed here, so those who check the answers stay.
    const ca = tls.ca ?? this.#ca;
    const files = readTlsFiles({ ...tls, ca }, Date.now());
    return () => {
      const isNew = files.fingerprint !== this.#files.fingerprint;
      this.#files = files;
      this.#ca = ca;
      for (const server of this.#servers) server.setSecureContext(files.context);
      const { names, fingerprint, expiresAtMs } = files;
      if (isNew) this.#log('info', 'there is a new certificate', { names, fingerprint, expires: new Date(expiresAtMs).toISOString() });
      this.#warn();
    };
  }

  /** Cuts what is left, handshakes that never end among it. */
  close(): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
  }

  #admit(listener: string, socket: Socket): void {
    const remote = socket.remoteAddress ?? 'unknown';
    const refusal = this.#admission.enter(remote);
    if (refusal) {
      this.#failures.note(listener, refusal, { remote, error: 'closed before its handshake' });
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#addresses.set(socket, remote);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#admission.leave(remote);
    });
  }

  #note(listener: string, socket: TLSSocket, error: Error): void {
    const { _parent: below, authorizationError } = socket as unknown as { _parent: Socket; authorizationError: string | null };
    const remote = this.#addresses.get(below);
    // What follows from a refusal is not a failure of its own.
    if (remote === undefined) return;
    const reason = authorizationError ? 'bad-certificate' : failureReason(error);
    this.#failures.note(listener, reason, { remote, error: authorizationError ?? errorText(error) });
  }

  #warn(): void {
    if (this.#files.warning) this.#log('warn', this.#files.warning, { fix: 'Put a new one in its place, then send SIGHUP.' });
  }
}
