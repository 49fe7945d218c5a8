import type { CredentialProvider } from '../../bus/mqtt/options.ts';
import type { Log } from '../../core/log.ts';

/** Whoever logs in with credentials that may change by themselves. */
export interface CredentialOwner {
  readonly log: Log;
  /** The key or the password on disk is another one than that of the last login: log in anew, in an orderly way. */
  onReplaced(): void;
  /** What logins taught about the clocks: the server's less this machine's, milliseconds; 0 when they agree again. */
  onClockSkew(skewMs: number): void;
}

/** A provider that notices what its owner should know. */
export interface CredentialSource extends CredentialProvider {
  /** From now on `owner` is told. @returns what ends it */
  attach(owner: CredentialOwner): () => void;
}

/** The owners of one source, spoken to as one. */
export class Owners {
  readonly #owners = new Set<CredentialOwner>();

  readonly log: Log = (level, message, fields) => {
    for (const owner of this.#owners) owner.log(level, message, fields);
  };

  add(owner: CredentialOwner): () => void {
    this.#owners.add(owner);
    return () => void this.#owners.delete(owner);
  }

  onClockSkew(skewMs: number): void {
    for (const owner of this.#owners) owner.onClockSkew(skewMs);
  }
}

/** Tells a source from a provider without more. */
export function isSource(provider: CredentialProvider): provider is CredentialSource {
  return typeof (provider as Partial<CredentialSource>).attach === 'function';
}

/** @param watch calls back when the key or the password was replaced; returns what ends it */
export function createSource(ask: CredentialProvider, owners: Owners, watch?: (onReplaced: () => void) => () => void): CredentialSource {
  const attach = (owner: CredentialOwner): (() => void) => {
    const forget = owners.add(owner);
    const unwatch = watch?.(() => owner.onReplaced());
    return () => {
      forget();
      unwatch?.();
    };
  };
  return Object.assign(ask, { attach });
}
