import type { Broker } from './broker.ts';
import type { Session } from './session.ts';
import { SharedGroup } from './shared-group.ts';
import { pastRefused, readSharedFilter, SHARE_USER } from './shared-name.ts';
import type { Subscription } from './subscription.ts';

/** Every `$share` group by its whole name, which is the client id of its session too. MQTT 5 §4.8.2; the same for 3.x clients. */
export class SharedGroups {
  readonly #broker: Broker;
  readonly #groups = new Map<string, SharedGroup>();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Subscriptions of members, not of groups. */
  get size(): number {
    let members = 0;
    for (const group of this.#groups.values()) members += group.size;
    return members;
  }

  /** @throws HYD_FILTER also when the past is asked for: a group has one place, from its first member on */
  subscribe(
    session: Session,
    name: string,
    options: Pick<Subscription, 'qos' | 'noLocal' | 'retainAsPublished' | 'id' | 'except'>,
    from: { since?: string | undefined } = {},
  ): Subscription {
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
    const { sessions } = this.#broker;
    for (const session of sessions) if (session.user === SHARE_USER) this.#groups.set(session.clientId, this.#createGroup(session));
    for (const session of sessions)
      for (const subscription of session.subscriptions.values()) if (subscription.shared) this.#join(session, subscription);
    for (const [name, group] of this.#groups) if (group.size === 0) this.#end(name, group);
  }

  tick(): void {
    for (const group of this.#groups.values()) group.tick();
  }

  #end(name: string, group: SharedGroup): void {
    this.#groups.delete(name);
    this.#broker.sessions.end(group.session);
  }

  #join(session: Session, subscription: Subscription): void {
    const group = this.#groups.get(subscription.name) ?? this.#create(session, subscription);
    this.#atLeast(group, subscription);
    if (session.persistent) this.#keep(group.session);
    group.join(session, subscription);
  }

  #create({ persistent }: Session, { name }: Subscription): SharedGroup {
    const { sessions, sessionState } = this.#broker;
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
    const { sessionState } = this.#broker;
    session.persistent = true;
    sessionState.saveSession(session);
    for (const subscription of [...session.subscriptions.values(), ...session.ended]) sessionState.saveSubscription(session, subscription);
    sessionState.saveCursor(session);
  }

  #createGroup(session: Session): SharedGroup {
    return new SharedGroup(session, { host: this.#broker, state: this.#broker.sessionState });
  }

  /** What is published at QoS 0 only, or subscribed to at QoS 0 only, is not kept for anybody. */
  #atLeast({ session }: SharedGroup, { filter, qos }: Subscription): void {
    const before = session.subscriptions.get(filter)?.qos;
    const wanted = qos > 0 ? 1 : 0;
    if (before === undefined || before < wanted)
      this.#broker.subscribe(session, filter, { qos: wanted, noLocal: false, retainAsPublished: false });
  }
}
