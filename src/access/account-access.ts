import { type Clock, systemClock } from '../core/clock.ts';
import { HydrantError } from '../core/errors.ts';
import { type Log, silentLog } from '../core/log.ts';
import { type Access, type Credentials, type Identity, type Login, type LoginRefusal, NO_PERMISSIONS, type Permissions } from './access.ts';
import { userFault } from './account-name.ts';
import { Attempts } from './attempts.ts';
import { HashThread } from './hash-thread.ts';
import { createPermissions } from './permissions.ts';
import { EVERYTHING, type Grants } from './rules.ts';
import type { AccessSettings } from './settings.ts';
import { RemoteKeys, type TokenKeys } from './token-keys.ts';
import { isToken, verifyToken } from './tokens.ts';
import { VerifiedLogins } from './verified-logins.ts';

/** How somebody came in, for as long as the connection lasts. */
interface Entry {
  by: 'anonymous' | 'certificate' | 'token' | 'password';
  /** Of the account, when it came in. */
  stored?: string;
  /** From the token. */
  grants?: Grants;
}

interface Parts {
  clock?: Clock;
  log?: Log;
  /** For tests: what the delay of a login waits for. */
  sleep?: (ms: number) => Promise<unknown>;
}

const WRONG = 'wrong name or password';

/** Accounts, tokens and certificates, and the rules for whoever comes in by them. Close it at the end: it may have a thread. */
export class AccountAccess implements Access {
  onChange: () => void = () => {};
  #settings: AccessSettings;
  #keys: TokenKeys | undefined;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #attempts: Attempts;
  readonly #thread: HashThread;
  readonly #verified = new VerifiedLogins();
  /** Passwords being checked: those that come with the same one wait for the same answer. */
  readonly #checking = new Map<string, Promise<boolean>>();
  readonly #entries = new WeakMap<Identity, Entry>();

  constructor(settings: AccessSettings, { clock = systemClock, log = silentLog, sleep }: Parts = {}) {
    this.#clock = clock;
    this.#log = log;
    this.#settings = settings;
    this.#attempts = new Attempts(settings.config.attempts, { clock, sleep });
    this.#thread = new HashThread({ maxWaiting: settings.config.waitingLogins });
    this.#keys = this.#keysOf(settings);
  }

  get refusedPublish(): 'drop' | 'close' {
    return this.#settings.config.refusedPublish;
  }

  /** Takes over other settings; whoever is in keeps what the new rules give. */
  apply(settings: AccessSettings): void {
    this.#keys = this.#keysOf(settings);
    this.#settings = settings;
    this.#attempts.options = settings.config.attempts;
    this.#thread.maxWaiting = settings.config.waitingLogins;
    this.onChange();
  }

  async login(credentials: Credentials): Promise<Login> {
    try {
      return await this.#login(credentials);
    } catch (error) {
      if (error instanceof HydrantError && error.code === 'HYD_BUSY') return refusal('server-busy', error.message);
      this.#log('error', 'a login could not be checked', { error: String(error) });
      return refusal('server-busy', 'the login could not be checked');
    }
  }

  permissions(identity: Identity, clientId: string): Permissions {
    if (!this.isCurrent(identity)) return NO_PERMISSIONS;
    const { rules } = this.#settings;
    const { by, grants } = this.#entries.get(identity)!;
    const rule = by === 'anonymous' ? rules.anonymous! : rules.ruleOf(identity.user);
    return createPermissions(grants ? { ...grants, deny: rule.deny } : rule, identity.user, clientId);
  }

  isCurrent(identity: Identity): boolean {
    const entry = this.#entries.get(identity);
    const { config, rules, accounts } = this.#settings;
    switch (entry?.by) {
      case 'anonymous':
        return rules.anonymous !== undefined;
      case 'certificate':
        return config.certificateUser;
      case 'token':
        return this.#keys !== undefined;
      case 'password':
        return accounts?.get(identity.user) === entry.stored;
      case undefined:
        return false;
    }
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }

  async #login(credentials: Credentials): Promise<Login> {
    const { rules, config } = this.#settings;
    const { username, password, certificateName, address } = credentials;
    // Without accounts and rules nobody's name means anything, so none is taken.
    if (rules.anonymous === EVERYTHING) return this.#enter('anonymous', { by: 'anonymous' });
    if (config.certificateUser && certificateName !== undefined) return this.#byCertificate(certificateName, username);
    if (!username && !password?.length) {
      if (rules.anonymous) return this.#enter('anonymous', { by: 'anonymous' });
      return refusal('not-authorized', 'anonymous clients are not let in');
    }
    if (!(await this.#attempts.admit(address))) return refusal('banned', 'too many failed logins from this address');
    const keys = this.#keys;
    const byToken = keys && password && isToken(password);
    const login = await (byToken ? this.#byToken(password, keys) : this.#byPassword(username ?? '', password ?? new Uint8Array()));
    if ('refused' in login) this.#attempts.failed(address, username ?? '');
    else this.#attempts.succeeded(address, username ?? '');
    return login;
  }

  #byCertificate(name: string, username: string | undefined): Login {
    const fault = userFault(name);
    if (fault) return refusal('not-authorized', `the client certificate: ${fault}`);
    if (username && username !== name) return refusal('bad-credentials', 'the username is not the name in the client certificate');
    return this.#enter(name, { by: 'certificate' });
  }

  async #byToken(password: Uint8Array, keys: TokenKeys): Promise<Login> {
    const claims = await verifyToken(password, keys, this.#settings.config.jwt, this.#clock);
    if ('why' in claims) return refusal('bad-credentials', claims.why);
    return this.#enter(claims.user, { by: 'token', grants: claims.grants }, claims.expiresAtMs);
  }

  async #byPassword(user: string, password: Uint8Array): Promise<Login> {
    const stored = this.#settings.accounts?.get(user);
    const same = await this.#check(user, password, stored);
    // The account may have changed while the password was checked.
    if (!same || this.#settings.accounts?.get(user) !== stored) return refusal('bad-credentials', WRONG);
    return this.#enter(user, { by: 'password', stored });
  }

  async #check(user: string, password: Uint8Array, stored: string | undefined): Promise<boolean> {
    const key = this.#verified.keyOf(user, password, stored ?? '');
    if (this.#verified.has(key)) return true;
    let checking = this.#checking.get(key);
    if (!checking) {
      checking = this.#thread.verify({ password, stored }).finally(() => this.#checking.delete(key));
      this.#checking.set(key, checking);
    }
    const same = await checking;
    if (same) this.#verified.add(key);
    return same;
  }

  #enter(user: string, entry: Entry, expiresAtMs?: number): Login {
    const admin = entry.by !== 'anonymous' && this.#settings.config.admins.includes(user);
    const identity: Identity = { user, admin, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
    this.#entries.set(identity, entry);
    return { identity };
  }

  #keysOf({ keys }: AccessSettings): TokenKeys | undefined {
    if (typeof keys !== 'string') return keys;
    // Keys that were fetched before stay: the issuer may not answer just now.
    if (this.#keys instanceof RemoteKeys && this.#keys.url === keys) return this.#keys;
    return new RemoteKeys(keys, { clock: this.#clock, log: this.#log });
  }
}

function refusal(refused: LoginRefusal, why: string): Login {
  return { refused, why };
}
