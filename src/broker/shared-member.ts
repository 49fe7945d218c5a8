import type { QoS } from '../wire/event.ts';
import type { Message } from './message.ts';
import type { Session } from './session.ts';
import type { Membership } from './session-host.ts';
import type { SharedDelivery } from './shared-delivery.ts';
import type { Member } from './shared-distributor.ts';
import type { SharedGroup } from './shared-group.ts';
import { isLeftOut, type Route, type Subscription } from './subscription.ts';

/** A session's part in a `$share` group: what the group gives it goes out under its own packet identifiers and options [MQTT-4.8.2-3]. */
export class SharedMember implements Member, Membership {
  readonly #group: SharedGroup;
  readonly #session: Session;
  #subscription!: Subscription;
  #route!: Route;

  constructor(group: SharedGroup, session: Session, subscription: Subscription) {
    this.#group = group;
    this.#session = session;
    this.subscription = subscription;
  }

  set subscription(subscription: Subscription) {
    const { qos, retainAsPublished, id } = subscription;
    this.#subscription = subscription;
    this.#route = { qos, retainAsPublished, ids: id === undefined ? undefined : [id] };
  }

  get isThere(): boolean {
    return this.#session.sink !== undefined;
  }

  get load(): number {
    return this.#session.inFlight.size;
  }

  get hasRoom(): boolean {
    return this.#session.room > 0;
  }

  get writable(): boolean {
    return this.#session.sink?.writable === true;
  }

  suits(message: Message): boolean {
    const { except } = this.#subscription;
    if (except && isLeftOut(except, message.topic)) return false;
    return this.#session.sink?.takes?.(message, this.#qos(message), this.#route) !== false;
  }

  take(shared: SharedDelivery): void {
    const { message } = shared;
    const qos = this.#qos(message);
    if (qos > 0) return this.#session.deliverShared(message, this.#route, qos as 1 | 2, shared);
    this.takeOnce(message);
    shared.finish();
  }

  takeOnce(message: Message): void {
    this.#session.sink!.deliverOnce(message, this.#route, false);
  }

  // Membership

  onRoom(): void {
    this.#group.welcome(this);
  }

  onAbsent(): void {
    this.#group.dismiss(this);
  }

  #qos(message: Message): QoS {
    return Math.min(message.qos, this.#route.qos) as QoS;
  }
}
