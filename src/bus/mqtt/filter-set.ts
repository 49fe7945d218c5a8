import { errorText, HydrantError } from '../../core/errors.ts';
import type { Client, FilterRequest } from '../../mqtt/client.ts';
import type { PublishPacket } from '../../mqtt/packet.ts';
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
}

/** The filters of one subscription, taken as a set: what the server has beside them is unsubscribed, on every connection. */
export class FilterSet {
  readonly #wanted: readonly string[];
  readonly #options: FilterOptions;
  readonly #context: LinkContext;
  #ranks = new FilterRanks([]);
  #granted = false;

  constructor(filters: readonly string[], options: FilterOptions, context: LinkContext) {
    this.#wanted = [...new Set(filters)].map((filter) => (options.group === undefined ? filter : `$share/${options.group}/${filter}`));
    this.#options = options;
    this.#context = context;
  }

  /** A connection stands; messages may come before `settle` is called. */
  onSession(isPresent: boolean): void {
    const { known, inbox, group } = this.#options;
    if (!isPresent) Object.assign(known, { filters: [], isAgeKnown: true });
    else if (inbox && inbox.filters.length > 0) Object.assign(known, { filters: inbox.filters, isAgeKnown: true });
    else if (known.filters.length === 0) known.isAgeKnown = false;
    this.#ranks = new FilterRanks(known.isAgeKnown && group === undefined ? this.#ranked() : []);
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
    const before = this.#options.known.filters;
    const ranked = this.#ranked();
    const gone = before.filter((filter) => !ranked.includes(filter));
    await this.#note([...new Set([...before, ...ranked])]);
    try {
      await this.#subscribe(client, ranked);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (!this.#granted) {
        const fresh = ranked.filter((filter) => !before.includes(filter));
        if (fresh.length > 0) await client.unsubscribe(fresh);
        await this.#note(before);
        throw error;
      }
      this.#retryLater(client, ranked, error);
    }
    // Only now, so that a topic which old and new filters share is never without one.
    if (gone.length > 0) await client.unsubscribe(gone);
    await this.#note(ranked);
    this.#granted = true;
  }

  /** The oldest first. */
  #ranked(): string[] {
    const old = this.#options.known.filters.filter((filter) => this.#wanted.includes(filter));
    return [...old, ...this.#wanted.filter((filter) => !old.includes(filter))];
  }

  async #subscribe(client: Client, filters: readonly string[]): Promise<void> {
    const retainHandling = this.#options.retained === 'keep' ? 1 : 2;
    const requests = filters.map((filter): FilterRequest => ({ filter, qos: 2, retainAsPublished: true, retainHandling }));
    const isNumbered =
      this.#context.dialect.version === 5 && filters.length > 1 && client.connack.properties?.subscriptionIdentifiersAvailable !== false;
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
    this.#context.log('error', 'the broker refuses filters that it had granted', { clientId: client.clientId, error: errorText(error) });
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

export function sharingMissing(group: string): HydrantError {
  return new HydrantError('HYD_UNSUPPORTED', `the group ${group} needs shared subscriptions of MQTT 5, and this broker has none`);
}

function isRefusal(error: unknown): error is HydrantError {
  return error instanceof HydrantError && error.code === 'HYD_REFUSED';
}
