import { errorText, HydrantError } from '../../core/errors.ts';
import type { Client } from '../../mqtt/client.ts';
import type { Inbox } from '../bus.ts';
import type { LinkContext } from './link-context.ts';

/** How long after a refusal the filters are asked for again on the same connection. */
const RETRY_MS = 30_000;

interface FilterOptions {
  group: string | undefined;
  retained: 'skip' | 'keep';
  inbox: Inbox | undefined;
  /** Filters that the server has for this client id, as far as this process knows. */
  remembered: Set<string>;
}

/** The filters of one subscription, taken as a set: what the server has beside them is unsubscribed, on every connection. */
export class FilterSet {
  readonly keepsRetained: boolean;
  readonly #wanted: readonly string[];
  readonly #group: string | undefined;
  readonly #inbox: Inbox | undefined;
  readonly #remembered: Set<string>;
  readonly #context: LinkContext;
  #granted = false;

  constructor(filters: readonly string[], options: FilterOptions, context: LinkContext) {
    const { group, retained, inbox, remembered } = options;
    this.keepsRetained = retained === 'keep';
    this.#wanted = group === undefined ? filters : filters.map((filter) => `$share/${group}/${filter}`);
    this.#group = group;
    this.#inbox = inbox;
    this.#remembered = remembered;
    this.#context = context;
  }

  /**
   * Makes the server's filters these, and resolves when it has granted them. What it refuses later than the first time is logged and asked
   * for again.
   * @throws HYD_REFUSED naming the filters, HYD_UNSUPPORTED naming the group, HYD_CONNECT
   */
  async settle(client: Client): Promise<void> {
    this.#assertSharing(client);
    const known = new Set(client.sessionPresent ? [...this.#remembered, ...(this.#inbox?.filters ?? [])] : []);
    await this.#note([...known, ...this.#wanted]);
    const gone = [...known].filter((filter) => !this.#wanted.includes(filter));
    if (gone.length > 0) await client.unsubscribe(gone);
    try {
      await this.#subscribe(client);
    } catch (error) {
      if (!(error instanceof HydrantError) || error.code !== 'HYD_REFUSED') throw error;
      if (!this.#granted) {
        const fresh = this.#wanted.filter((filter) => !known.has(filter));
        if (fresh.length > 0) await client.unsubscribe(fresh);
        await this.#note([...known].filter((filter) => this.#wanted.includes(filter)));
        throw error;
      }
      this.#retryLater(client, error);
      return;
    }
    this.#granted = true;
    await this.#note(this.#wanted);
  }

  async #subscribe(client: Client): Promise<void> {
    const retainHandling = this.keepsRetained ? 1 : 2;
    const codes = await client.subscribe(this.#wanted.map((filter) => ({ filter, qos: 2, retainAsPublished: true, retainHandling })));
    const weak = this.#wanted.filter((_, at) => codes[at] === 0);
    if (weak.length > 0)
      this.#context.log('warn', 'the broker grants QoS 0 only: events that come while nobody is connected are lost', { filters: weak });
  }

  #retryLater(client: Client, error: Error): void {
    this.#context.log('error', 'the broker refuses filters that it had granted', { clientId: client.clientId, error: errorText(error) });
    const timer = setTimeout(() => {
      this.#subscribe(client).then(
        () => this.#context.log('info', 'the broker grants the filters again', { clientId: client.clientId }),
        (again: Error) => {
          if (again instanceof HydrantError && again.code === 'HYD_REFUSED') this.#retryLater(client, again);
        },
      );
    }, RETRY_MS);
    void client.closed.then(() => clearTimeout(timer));
  }

  async #note(filters: readonly string[]): Promise<void> {
    const set = new Set(filters);
    this.#remembered.clear();
    for (const filter of set) this.#remembered.add(filter);
    const noted = this.#inbox?.filters ?? [];
    if (this.#inbox && (noted.length !== set.size || noted.some((filter) => !set.has(filter)))) await this.#inbox.noteFilters([...set]);
  }

  #assertSharing(client: Client): void {
    if (this.#group === undefined) return;
    if (this.#context.dialect.version === 5 && client.connack.properties?.sharedSubscriptionAvailable !== false) return;
    throw sharingMissing(this.#group);
  }
}

export function sharingMissing(group: string): HydrantError {
  return new HydrantError('HYD_UNSUPPORTED', `the group ${group} needs shared subscriptions of MQTT 5, and this broker has none`);
}
