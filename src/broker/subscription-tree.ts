import { hasWildcard } from '../wire/topic.ts';
import type { Subscription } from './subscription.ts';

/** All that match a topic for one owner. */
export interface Match<Owner> {
  owner: Owner;
  subscriptions: Subscription[];
}

interface Node<Owner> {
  children: Map<string, Node<Owner>> | undefined;
  /** Subscriptions that end here, by owner and name. */
  here: Map<Owner, Map<string, Subscription>> | undefined;
  /** Subscriptions that end in `#` below here. */
  below: Map<Owner, Map<string, Subscription>> | undefined;
}

const CACHE_ENTRIES = 10_000;

/**
 * Filters of every live subscription, by topic level, so that a publish costs what matches and not what is subscribed.
 * What a topic matched last time is remembered until a subscription to it, or any with wildcards, changes.
 */
export class SubscriptionTree<Owner> {
  readonly #root: Node<Owner> = { children: undefined, here: undefined, below: undefined };
  readonly #cache = new Map<string, Match<Owner>[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds, or replaces the owner's subscription of the same name. */
  add(owner: Owner, subscription: Subscription): void {
    this.#forget(subscription.filter);
    const levels = subscription.filter.split('/');
    const hash = levels.at(-1) === '#';
    if (hash) levels.pop();
    let node = this.#root;
    for (const level of levels) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (!child) {
        child = { children: undefined, here: undefined, below: undefined };
        node.children.set(level, child);
      }
      node = child;
    }
    const slot = hash ? 'below' : 'here';
    node[slot] ??= new Map();
    let own = node[slot].get(owner);
    if (!own) {
      own = new Map();
      node[slot].set(owner, own);
    }
    if (!own.has(subscription.name)) this.#size++;
    own.set(subscription.name, subscription);
  }

  remove(owner: Owner, subscription: Subscription): void {
    this.#forget(subscription.filter);
    const levels = subscription.filter.split('/');
    const hash = levels.at(-1) === '#';
    if (hash) levels.pop();
    this.#removeFrom(this.#root, levels, 0, hash, owner, subscription.name);
  }

  /** Whether any filter begins with this level, a wildcard not counting as it. */
  begins(level: string): boolean {
    return this.#root.children?.has(level) ?? false;
  }

  /** Per owner what matches; the array is shared, do not change it. MQTT 3.1.1 §4.7. */
  match(topic: string): readonly Match<Owner>[] {
    const cached = this.#cache.get(topic);
    if (cached) return cached;
    const found = new Map<Owner, Subscription[]>();
    const levels = topic.split('/');
    this.#collect(this.#root, levels, 0, topic.charCodeAt(0) === 36, found);
    const matches = Array.from(found, ([owner, subscriptions]) => ({ owner, subscriptions }));
    if (this.#cache.size >= CACHE_ENTRIES) this.#cache.clear();
    this.#cache.set(topic, matches);
    return matches;
  }

  #forget(filter: string): void {
    if (hasWildcard(filter)) this.#cache.clear();
    else this.#cache.delete(filter);
  }

  #collect(node: Node<Owner>, levels: string[], depth: number, reserved: boolean, found: Map<Owner, Subscription[]>): void {
    const wild = !(reserved && depth === 0);
    if (node.below && wild) gather(node.below, found);
    if (depth === levels.length) {
      if (node.here) gather(node.here, found);
      return;
    }
    if (!node.children) return;
    const child = node.children.get(levels[depth]!);
    if (child) this.#collect(child, levels, depth + 1, reserved, found);
    const plus = wild ? node.children.get('+') : undefined;
    if (plus) this.#collect(plus, levels, depth + 1, reserved, found);
  }

  /** True when the node is empty and can go. */
  #removeFrom(node: Node<Owner>, levels: string[], depth: number, hash: boolean, owner: Owner, name: string): boolean {
    if (depth === levels.length) {
      const slot = hash ? 'below' : 'here';
      const own = node[slot]?.get(owner);
      if (own?.delete(name)) this.#size--;
      if (own?.size === 0) node[slot]!.delete(owner);
      if (node[slot]?.size === 0) node[slot] = undefined;
    } else {
      const child = node.children?.get(levels[depth]!);
      if (child && this.#removeFrom(child, levels, depth + 1, hash, owner, name)) node.children!.delete(levels[depth]!);
      if (node.children?.size === 0) node.children = undefined;
    }
    return !node.children && !node.here && !node.below;
  }
}

function gather<Owner>(owners: Map<Owner, Map<string, Subscription>>, found: Map<Owner, Subscription[]>): void {
  for (const [owner, own] of owners) {
    const list = found.get(owner);
    if (list) list.push(...own.values());
    else found.set(owner, [...own.values()]);
  }
}
