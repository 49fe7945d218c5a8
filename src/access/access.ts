/** How a client came in. */
export type Door = 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'http' | 'https';

/** What a client shows when it comes in. */
export interface Credentials {
  door: Door;
  /** Address of the peer, without a port. */
  address: string;
  /** MQTT only. */
  clientId?: string;
  username?: string;
  /** A password, or a JSON Web Token. */
  password?: Uint8Array;
  /** Name in the client certificate, when the door has verified one. */
  certificateName?: string;
}

/** Who somebody is. */
export interface Identity {
  /** The account's name, or `anonymous`. */
  readonly user: string;
  /** May list and end other clients' connections. */
  readonly admin: boolean;
  /** When the token that it showed ends, milliseconds since 1970; undefined = never. */
  readonly expiresAtMs?: number;
}

/** What one client may do. Cheap to ask: it is asked for every publish. */
export interface Permissions {
  mayPublish(topic: string): boolean;
  /**
   * Whether a filter may be subscribed to (`$share/<group>/` and `$history/<since>/` taken off), and which topics among those that it
   * matches are left out all the same: filters, empty for none. Undefined: not at all.
   */
  subscription(filter: string): readonly string[] | undefined;
}

/** Why somebody is not let in. */
export type LoginRefusal = 'bad-credentials' | 'not-authorized' | 'banned' | 'server-busy';

export type Login = { identity: Identity } | { refused: LoginRefusal; why: string };

/** Who may come in, and what they may do there. The same for every door. */
export interface Access {
  /** Never rejects: what cannot be checked is refused. */
  login(credentials: Credentials): Promise<Login>;
  /** The rules in force now for somebody; `%u` and `%c` are filled in. Nothing once they would not be let in any more. */
  permissions(identity: Identity, clientId: string): Permissions;
  /** Whether somebody who came in would be let in still: not when the account is gone or has another password. */
  isCurrent(identity: Identity): boolean;
  /** What an MQTT 3.x client gets for a publish that it may not make: its acknowledgement and nothing else, or a closed connection. */
  readonly refusedPublish: 'drop' | 'close';
  /** Called when the rules have changed: permissions handed out before are to be asked for again. */
  onChange: () => void;
}

const NOTHING: readonly string[] = [];

/** Of somebody who has not come in. */
export const NO_PERMISSIONS: Permissions = { mayPublish: () => false, subscription: () => undefined };

/** Everybody may do everything: what a server that only this machine reaches starts with. */
export function openAccess(): Access {
  const everything: Permissions = { mayPublish: () => true, subscription: () => NOTHING };
  return {
    login: async () => ({ identity: { user: 'anonymous', admin: false } }),
    permissions: () => everything,
    isCurrent: () => true,
    refusedPublish: 'drop',
    onChange: () => {},
  };
}
