import { HydrantError } from '../../core/errors.ts';
import type { Published, SourceContext } from '../source.ts';

/** On disk, by mailbox. */
interface Entry {
  uidValidity: string;
  /** The last mail that was looked at; those up to it are not looked at again. */
  uid: number;
  /** The first number that the mailbox had not given when it was seen with this UIDVALIDITY. */
  before: number;
  /** When this source read the mailbox for the first time. */
  firstMs: number;
  /** Mails whose events are stored and which are not marked, as an IMAP sequence set. */
  pending: string;
}

/** What it needs of what a source is given. */
type LedgerContext = Pick<SourceContext, 'cursor' | 'flushed' | 'refused' | 'now'>;

/** With one command; servers take lines of some KiB. */
const MOST_MARKED = 500;

/** What is known of a mailbox: how far it was read, and which mails are to be marked once the bus has acknowledged their events. */
export class Ledger {
  readonly #context: LedgerContext;
  readonly #key: string;
  /** Whether mails are marked at all. */
  readonly #marks: boolean;
  #entry: Omit<Entry, 'pending'> | undefined;
  #pending = new Set<number>();
  #acked = new Set<number>();
  #wake: () => void = () => {};
  #inherited: Promise<void> | undefined;

  constructor(context: LedgerContext, mailbox: string, marks: boolean) {
    this.#context = context;
    this.#key = mailbox;
    this.#marks = marks;
    const { pending = '', ...entry } = context.cursor.get<Entry>(mailbox) ?? {};
    if ('uidValidity' in entry) this.#entry = entry as Omit<Entry, 'pending'>;
    if (marks) this.#pending = new Set(expand(pending));
  }

  get uid(): number {
    return this.#entry?.uid ?? 0;
  }

  /** To be called with each connection: with another UIDVALIDITY all numbers mean other mails (RFC 3501 section 2.3.1.1), and reading begins anew. */
  begin(uidValidity: string, uidNext: number): void {
    if (this.#entry?.uidValidity !== uidValidity) {
      const firstMs = this.#entry?.firstMs ?? this.#context.now();
      this.#entry = { uidValidity, uid: 0, before: uidNext, firstMs };
      this.#pending = new Set();
      this.#acked = new Set();
      this.save();
    }
    // Behind where it was, if events of the connection before could not be stored.
    this.#entry.uid = this.#context.cursor.get<Entry>(this.#key)?.uid ?? 0;
    this.#inherited ??= this.#adopt([...this.#pending]);
  }

  /** Whether a mail was read by somebody before this source had ever looked: what is in a mailbox at the beginning counts only if it is unread. */
  isOld(uid: number, isSeen: boolean, receivedMs: number): boolean {
    const { before, firstMs } = this.#entry!;
    return isSeen && uid < before && receivedMs <= firstMs;
  }

  reached(uid: number): void {
    this.#entry!.uid = Math.max(this.#entry!.uid, uid);
  }

  /** A mail whose events are on their way. */
  published(uid: number, events: readonly Published[]): void {
    this.reached(uid);
    if (!this.#marks) return;
    const entry = this.#entry;
    const pending = this.#pending;
    pending.add(uid);
    Promise.all(events.map(({ acked }) => acked)).then(
      () => {
        if (this.#entry === entry) this.#isAcked(uid);
      },
      (error: unknown) => {
        if (error instanceof HydrantError && error.code === 'HYD_CLOSED') return;
        pending.delete(uid);
        this.save();
        if (error instanceof HydrantError && error.retryable) return;
        this.#context.refused('the bus did not take an event, and its mail stays as it is', { uid, error: String(error) });
      },
    );
  }

  /** Mails to be marked now, as a sequence set, not too long for a line; undefined when there is none. */
  due(): string | undefined {
    if (this.#acked.size === 0) return undefined;
    return compact([...this.#acked].sort((a, b) => a - b).slice(0, MOST_MARKED));
  }

  marked(set: string): void {
    for (const uid of expand(set)) {
      this.#acked.delete(uid);
      this.#pending.delete(uid);
    }
    this.save();
  }

  /** Resolves when there is something to be marked. For one who waits: with another call the promises before it never resolve. */
  whenDue(): Promise<void> {
    if (this.#acked.size > 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  save(): void {
    if (this.#entry) this.#context.cursor.set(this.#key, { ...this.#entry, pending: compact([...this.#pending].sort((a, b) => a - b)) });
  }

  /** Mails of a run before this process: what they gave is in the outbox, and all of that is acknowledged when the outbox is empty. */
  async #adopt(uids: readonly number[]): Promise<void> {
    const entry = this.#entry;
    if (uids.length === 0) return;
    await this.#context.flushed().then(
      () => {
        if (this.#entry === entry) for (const uid of uids) this.#isAcked(uid);
      },
      () => {},
    );
  }

  #isAcked(uid: number): void {
    this.#acked.add(uid);
    this.#wake();
  }
}

/** `1:3,7`, of numbers in ascending order. RFC 3501 section 9, sequence-set. */
export function compact(uids: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const uid of uids) {
    const last = ranges.at(-1);
    if (last && uid === last[1] + 1) last[1] = uid;
    else ranges.push([uid, uid]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}:${last}`)).join(',');
}

export function expand(set: string): number[] {
  return set.split(',').flatMap((range) => {
    const [first = '', last = first] = range.split(':');
    return first === '' ? [] : Array.from({ length: Number(last) - Number(first) + 1 }, (_, at) => Number(first) + at);
  });
}
