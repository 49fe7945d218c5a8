import type { Message } from './message.ts';
import type { Session } from './session.ts';
import { type DistributorOptions, SharedDistributor } from './shared-distributor.ts';
import { SharedMember } from './shared-member.ts';
import type { Subscription } from './subscription.ts';

/**
 * One `$share/<group>/<filter>`: a session of its own, whose place in the journal its members have together, and the sessions that are
 * members. The session is there for as long as any member is, connected or not.
 */
export class SharedGroup {
  readonly session: Session;
  readonly #members = new Map<Session, SharedMember>();
  readonly #options: Pick<DistributorOptions, 'host' | 'state'>;
  #distributor: SharedDistributor | undefined;

  constructor(session: Session, options: Pick<DistributorOptions, 'host' | 'state'>) {
    this.session = session;
    this.#options = options;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Takes a session in, or its subscription's new options. */
  join(session: Session, subscription: Subscription): void {
    const member = this.#members.get(session);
    if (member) {
      member.subscription = subscription;
      return;
    }
    const joining = new SharedMember(this, session, subscription);
    this.#members.set(session, joining);
    session.memberships = [...session.memberships, joining];
    if (session.sink) joining.onRoom();
  }

  /** The session is no member any more. What it had begun to get it goes on with. */
  leave(session: Session): void {
    const member = this.#members.get(session);
    if (!member) return;
    this.#members.delete(session);
    session.memberships = session.memberships.filter((membership) => membership !== member);
    if (this.#members.size === 0) this.#close();
    else this.#distributor?.dismiss(member);
  }

  tick(): void {
    this.#distributor?.tick();
  }

  /** @internal a member is there, and may have room */
  welcome(member: SharedMember): void {
    if (this.#distributor) return this.#distributor.welcome(member);
    const distributor = new SharedDistributor(this.session, {
      ...this.#options,
      mayWait: (message) => this.#mayWait(message),
      onIdle: () => this.#onIdle(),
    });
    this.#distributor = distributor;
    distributor.welcome(member);
    this.session.resume(distributor);
  }

  /** @internal a member is not there any more */
  dismiss(member: SharedMember): void {
    this.#distributor?.dismiss(member);
  }

  #mayWait(message: Message): boolean {
    for (const member of this.#members.values()) if (!member.isThere && member.suits(message)) return true;
    return false;
  }

  #onIdle(): void {
    this.#distributor = undefined;
    this.session.detach();
  }

  #close(): void {
    this.#distributor?.close();
    this.#distributor = undefined;
    this.session.detach();
  }
}
