import type { Session } from './session.ts';
import type { SessionHost } from './session-host.ts';
import type { SessionState } from './session-state.ts';
import type { Sessions } from './sessions.ts';
import { SharedGroup } from './shared-group.ts';
import { isShared, pastRefused, readSharedFilter, SHARE_USER } from './shared-name.ts';
import type { Subscription } from './subscription.ts';

type Options = Pick<Subscription, 'qos' | 'noLocal' | 'retainAsPublished' | 'id' | 'except'>;

/** What groups need of the broker. */
export interface SharedGroupsHost extends SessionHost {
  readonly sessions: Sessions;
  readonly sessionState: SessionState;
  subscribe(session: Session, filter: string, options: Options): Subscription;
}

/** Every `$share` group by its whole name, which is the client id of its session too. MQTT 5 §4.8.2; the same for 3.x clients. */
export class SharedGroups {
  readonly #host: SharedGroupsHost;
  readonly #groups = new Map<string, SharedGroup>();

  constructor(host: SharedGroupsHost) {
    this.#host = host;
  }

  /** Groups, each with a subscription of its own. */
  get count(): number {
    return this.#groups.size;
  }

  /** Subscriptions of members, not of groups. */
  get size(): number {
    let members = 0;
    for (const group of this.#groups.values()) members += group.size;
    return members;
  }

  /** @throws HYD_FILTER also when the past is asked for: a group has one place, from its first member on */
  subscribe(session: Session, name: string, options: Options, from: { since?: string | undefined } = {}): Subscription {
    const filter = readSharedFilter(name);
    if (from.since !== undefined) throw pastRefused(name, filter);
    const subscription: Subscription = { name, filter, begin: Number.MAX_SAFE_INTEGER, shared: true, ...options };
    session.subscribe(subscription);
    this.#join(session, subscription);
    return subscription;
  }

  leave(session: Session, name: string): void {
    const group = this.#groups.get(name);
    if (!group) return;
    group.leave(session);
    if (group.size === 0) this.#end(name, group);
  }

  /** After a start: groups as the state has them, and their members. */
  restore(): void {
    const { sessions } = this.#host;
    for (const session of sessions) if (isShared(session.clientId)) this.#groups.set(session.clientId, this.#createGroup(session));
    for (const session of sessions)
      for (const subscription of session.subscriptions.values()) if (subscription.shared) this.#join(session, subscription);
    for (const [name, group] of this.#groups) if (group.size === 0) this.#end(name, group);
  }

  tick(): void {
    for (const group of this.#groups.values()) group.tick();
  }

  #end(name: string, group: SharedGroup): void {
    this.#groups.delete(name);
    this.#host.sessions.end(group.session);
  }

  #join(session: Session, subscription: Subscription): void {
    const group = this.#groups.get(subscription.name) ?? this.#create(session, subscription);
    this.#atLeast(group, subscription);
    if (session.persistent) this.#keep(group.session);
    group.join(session, subscription);
  }

  #create({ persistent }: Session, { name }: Subscription): SharedGroup {
    const { sessions, sessionState } = this.#host;
    const session = sessions.create({ clientId: name, user: SHARE_USER, persistent, internal: true });
    session.expirySeconds = Number.POSITIVE_INFINITY;
    if (persistent) sessionState.saveSession(session);
    const group = this.#createGroup(session);
    this.#groups.set(name, group);
    return group;
  }

  /** A member outlives its connection, and so does what the group has for it. */
  #keep(session: Session): void {
    if (session.persistent) return;
    const { sessionState } = this.#host;
    session.persistent = true;
    sessionState.saveSession(session);
    for (const subscription of [...session.subscriptions.values(), ...session.ended]) sessionState.saveSubscription(session, subscription);
    sessionState.saveCursor(session);
  }

  #createGroup(session: Session): SharedGroup {
    return new SharedGroup(session, { host: this.#host, state: this.#host.sessionState });
  }

  /** A group whose members all subscribe at QoS 0 keeps nothing for them. */
  #atLeast({ session }: SharedGroup, { filter, qos }: Subscription): void {
    const before = session.subscriptions.get(filter)?.qos;
    const wanted = qos > 0 ? 1 : 0;
    if (before === undefined || before < wanted)
      this.#host.subscribe(session, filter, { qos: wanted, noLocal: false, retainAsPublished: false });
  }
}
