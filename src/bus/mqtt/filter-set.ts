import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import type { Client, FilterRequest } from '../../mqtt/client.ts';
import type { PublishPacket } from '../../mqtt/packet.ts';
import { matchFilter } from '../../wire/topic.ts';
import type { Inbox } from '../bus.ts';
import { FilterRanks, identifierOf } from './filter-ranks.ts';
import type { LinkContext } from './link-context.ts';

/** How long after a refusal the filters are asked for again on the same connection. */
const RETRY_MS = 30_000;

/** Filters that the server has for a client id, as far as this process knows. */
export interface KnownFilters {
  filters: readonly string[];
  /** They stand in the order in which the server got them. */
  isAgeKnown: boolean;
}

interface FilterOptions {
  group: string | undefined;
  retained: 'skip' | 'keep';
  inbox: Inbox | undefined;
  known: KnownFilters;
  /** Another subscription of the session has it too. Default: there is none. */
  isShared?: (filter: string) => boolean;
}

/**
 * The filters of one subscription, taken as a set: what the server has beside them, and beside those of other subscriptions of the session, is
 * unsubscribed on every connection.
 */
export class FilterSet {
  /** As the server gets them. */
  readonly wanted: readonly string[];
  readonly #options: FilterOptions;
  readonly #context: LinkContext;
  #ranks = new FilterRanks([]);
  #granted = false;

  constructor(filters: readonly string[], options: FilterOptions, context: LinkContext) {
    this.wanted = [...new Set(filters)].map((filter) => (options.group === undefined ? filter : `$share/${options.group}/${filter}`));
    this.#options = options;
    this.#context = context;
  }

  /** Tells copies apart by what the server is known to have; messages may come before `settle` is called. */
  rank(): void {
    const { known, group } = this.#options;
    this.#ranks = new FilterRanks(known.isAgeKnown && group === undefined ? this.#ranked() : []);
  }

  /** Whether a message of a session with several subscriptions is for this one: as its subscription identifiers say, else by its topic. */
  isFor({ topic, properties }: Pick<PublishPacket, 'topic' | 'properties'>): boolean {
    const identifiers = [properties?.subscriptionIdentifier ?? []].flat();
    if (identifiers.length === 0) return this.wanted.some((filter) => matchFilter(filter, topic));
    return this.wanted.some((filter) => identifiers.includes(identifierOf(filter)));
  }

  /** What the server sent beside what was asked for: retained messages, which 3.1.1 cannot do without, and copies of overlapping filters. */
  isUnwanted({ topic, retain, properties }: PublishPacket): boolean {
    if (this.#context.dialect.version === 4) return retain && this.#options.retained === 'skip';
    return this.#ranks.isCopy(topic, properties?.subscriptionIdentifier);
  }

  /**
   * Makes the server's filters these, and resolves when it has granted them. What it refuses later than the first time is logged and asked
   * for again.
   * @throws HYD_REFUSED naming the filters, HYD_UNSUPPORTED naming the group, HYD_CONNECT
   */
  async settle(client: Client): Promise<void> {
    this.#assertSharing(client);
    const { known, isShared = () => false } = this.#options;
    const before = known.filters;
    const ranked = this.#ranked();
    await this.#note([...new Set([...before, ...ranked])]);
    try {
      await this.#subscribe(client, ranked);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (!this.#granted) {
        await this.#drop(
          client,
          ranked.filter((filter) => !before.includes(filter) && !isShared(filter)),
        );
        throw error;
      }
      this.#retryLater(client, ranked, error);
    }
    // Only now, so that a topic which old and new filters share is never without one.
    await this.#drop(
      client,
      known.filters.filter((filter) => !this.wanted.includes(filter) && !isShared(filter)),
    );
    this.#granted = true;
  }

  /** It ends, and the session goes on: what no other subscription has is unsubscribed. */
  async leave(client: Client): Promise<void> {
    const { known, isShared = () => false } = this.#options;
    await this.#drop(
      client,
      known.filters.filter((filter) => this.wanted.includes(filter) && !isShared(filter)),
    );
  }

  async #drop(client: Client, filters: readonly string[]): Promise<void> {
    if (filters.length > 0) await client.unsubscribe(filters);
    await this.#note(this.#options.known.filters.filter((filter) => !filters.includes(filter)));
  }

  /** The oldest first. */
  #ranked(): string[] {
    const old = this.#options.known.filters.filter((filter) => this.wanted.includes(filter));
    return [...old, ...this.wanted.filter((filter) => !old.includes(filter))];
  }

  async #subscribe(client: Client, filters: readonly string[]): Promise<void> {
    // A new subscription of a session that goes on may have a filter that the server has already.
    const kept = this.#options.isShared && !this.#granted ? 0 : 1;
    const retainHandling = this.#options.retained === 'keep' ? kept : 2;
    const requests = filters.map((filter): FilterRequest => ({ filter, qos: 2, retainAsPublished: true, retainHandling }));
    const isNumbered =
      this.#context.dialect.version === 5 &&
      (filters.length > 1 || this.#options.isShared !== undefined) &&
      client.connack.properties?.subscriptionIdentifiersAvailable !== false;
    const answers = isNumbered
      ? requests.map((request) => client.subscribe([request], { subscriptionIdentifier: identifierOf(request.filter) }))
      : [client.subscribe(requests)];
    await Promise.allSettled(answers);
    const codes = (await Promise.all(answers)).flat();
    const weak = filters.filter((_, at) => codes[at] === 0);
    if (weak.length > 0)
      this.#context.log('warn', 'the broker grants QoS 0 only: events that come while nobody is connected are lost', { filters: weak });
  }

  #retryLater(client: Client, filters: readonly string[], error: Error): void {
    this.#context.log('error', 'the broker refuses filters that it had granted', {
      clientId: client.clientId,
      error: errorText(error),
      fix: errorFix(error),
    });
    const timer = setTimeout(() => {
      this.#subscribe(client, filters).then(
        () => this.#context.log('info', 'the broker grants the filters again', { clientId: client.clientId }),
        (again: Error) => {
          if (isRefusal(again)) this.#retryLater(client, filters, again);
        },
      );
    }, RETRY_MS);
    void client.closed.then(() => clearTimeout(timer));
  }

  async #note(filters: readonly string[]): Promise<void> {
    const { known, inbox } = this.#options;
    known.filters = filters;
    if (inbox && inbox.filters.join('\0') !== filters.join('\0')) await inbox.noteFilters(filters);
  }

  #assertSharing(client: Client): void {
    const { group } = this.#options;
    if (group === undefined) return;
    if (this.#context.dialect.version === 5 && client.connack.properties?.sharedSubscriptionAvailable !== false) return;
    throw sharingMissing(group);
  }
}

/** A connection stands: what the server has then. */
export function noteSession(known: KnownFilters, inbox: Inbox | undefined, isPresent: boolean): void {
  if (!isPresent) Object.assign(known, { filters: [], isAgeKnown: true });
  else if (inbox && inbox.filters.length > 0) Object.assign(known, { filters: inbox.filters, isAgeKnown: true });
  else if (known.filters.length === 0) known.isAgeKnown = false;
}

export function sharingMissing(group: string): HydrantError {
  return new HydrantError('HYD_UNSUPPORTED', `the group ${group} needs shared subscriptions of MQTT 5, and this broker has none`);
}

function isRefusal(error: unknown): error is HydrantError {
  return error instanceof HydrantError && error.code === 'HYD_REFUSED';
}
