import type { QoS } from '../wire/event.ts';
import { matchFilter } from '../wire/topic.ts';
import type { Since } from './catch-up.ts';

/** One subscription of one session: from when to when it counts, and how it wants its messages. */
export interface Subscription {
  /** As sent by the client: the key within its session. */
  readonly name: string;
  /** What is matched: `name`, but for `$history/<since>/`. */
  readonly filter: string;
  readonly qos: QoS;
  /** MQTT 5 §3.8.3.1: not what this client published itself. */
  readonly noLocal: boolean;
  /** Keep the RETAIN flag as published. */
  readonly retainAsPublished: boolean;
  /** Subscription identifier, MQTT 5 §3.8.2.1.2. */
  readonly id?: number;
  /** Matches events above this sequence … */
  readonly begin: number;
  /** … up to this one, once it was removed or replaced. */
  end?: number;
  /** Begins in the past, and is still being read from there by a reading of its own; `begin` is beyond everything until then. */
  reading?: Since;
  /** `$share/<group>/<filter>`: its messages come from the group, and `begin` is beyond everything. */
  shared?: boolean;
  /** Topics that its client may not read although the filter matches them. `all` when it may not read any. */
  except?: readonly string[] | 'all';
}

/** How one session gets one message: overlapping subscriptions yield one delivery at the highest QoS with all identifiers. */
export interface Route {
  qos: QoS;
  retainAsPublished: boolean;
  ids: number[] | undefined;
}

/** Joins the subscriptions that match a message; undefined when none is left. MQTT 3.1.1 §3.3.5. */
export function joinRoutes(
  subscriptions: Iterable<Subscription>,
  message: { topic: string; seq: number; source?: string },
  clientId: string,
): Route | undefined {
  let route: Route | undefined;
  for (const subscription of subscriptions) {
    if (message.seq > 0 && (message.seq <= subscription.begin || message.seq > (subscription.end ?? Number.POSITIVE_INFINITY))) continue;
    if (subscription.noLocal && message.source === clientId) continue;
    if (subscription.except && isLeftOut(subscription.except, message.topic)) continue;
    route ??= { qos: 0, retainAsPublished: false, ids: undefined };
    if (subscription.qos > route.qos) route.qos = subscription.qos;
    if (subscription.retainAsPublished) route.retainAsPublished = true;
    if (subscription.id !== undefined) {
      route.ids ??= [];
      route.ids.push(subscription.id);
    }
  }
  return route;
}

export function isLeftOut(except: readonly string[] | 'all', topic: string): boolean {
  return except === 'all' || except.some((filter) => matchFilter(filter, topic));
}

/** The subscriptions among these that match a topic. */
export function matching(subscriptions: Iterable<Subscription>, topic: string): Subscription[] {
  const found: Subscription[] = [];
  for (const subscription of subscriptions) if (matchFilter(subscription.filter, topic)) found.push(subscription);
  return found;
}
