import type { Gap, Inbox } from '../../bus/bus.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { crashPoint } from '../../core/crash-point.ts';
import { createHexId } from '../../core/id.ts';
import type { StateStore } from '../../core/state-store.ts';
import type { Hold } from '../../journal/holds.ts';
import type { Journal } from '../../journal/journal.ts';
import type { JournalRecord } from '../../journal/record.ts';
import { GAP_TOPIC } from '../../wire/gap.ts';

/** Tables of `intake.db`, step by step as versions added to them. */
export const INBOX_STEPS = [
  `CREATE TABLE inbound (packetId INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
   CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`,
];

export interface InboxParts {
  /** Opened with `INBOX_STEPS`; the inbox has it to itself. */
  store: StateStore;
  journal: Journal;
  /** Whose session it is, and where. Packet identifiers of another client or another engine mean nothing. */
  owner: InboxOwner;
  clock?: Clock;
}

export interface InboxOwner {
  clientId: string;
  /** Of the engine; one that was there before is enough for it to be the same. */
  urls: readonly string[];
}

const NOTE_EVERY_MS = 5000;
const NOTE_EVERY_EVENTS = 50_000;

/** Opens the inbox and works in what the journal has and the state had not noted. */
export async function openInbox(parts: InboxParts): Promise<JournalInbox> {
  const inbox = new JournalInbox(parts);
  await inbox.restore();
  return inbox;
}

/**
 * Which QoS 2 deliveries are stored and not released, as a projection of the journal: written lazily, always in the transaction that notes up
 * to which sequence it goes, so a start has only the rest of the journal to look through. What was stored and released between two
 * transactions is never written.
 */
export class JournalInbox implements Inbox {
  /** What a session that was lost leaves to be told, until the journal has it. */
  gap: Gap | undefined;
  readonly #store: StateStore;
  readonly #journal: Journal;
  readonly #owner: InboxOwner;
  readonly #clock: Clock;
  readonly #hold: Hold;
  #incarnation: string | undefined;
  #filters: readonly string[] = [];
  /** Sequences by packet identifier. */
  readonly #stored = new Map<number, number>();
  /** Packet identifiers whose rows are not as `#stored` is. */
  readonly #dirty = new Set<number>();
  #gapIsDirty = false;
  #seenMs = 0;
  #queuedSeq = 0;
  #notedSeq = 0;
  #notedSeenMs = 0;
  #notedAtMs: number;

  constructor({ store, journal, owner, clock = systemClock }: InboxParts) {
    this.#store = store;
    this.#journal = journal;
    this.#owner = owner;
    this.#clock = clock;
    this.#hold = journal.hold('the inbox');
    this.#notedAtMs = clock.now();
    store.onBeforeCommit = () => this.#note();
  }

  get incarnation(): string | undefined {
    return this.#incarnation;
  }

  get filters(): readonly string[] {
    return this.#filters;
  }

  /** The last sign of the engine, as far as it was noted. */
  get seenMs(): number {
    return this.#seenMs;
  }

  /** Deliveries stored and not released. */
  get size(): number {
    return this.#stored.size;
  }

  has(packetId: number): boolean {
    return this.#stored.has(packetId);
  }

  async release(packetId: number): Promise<void> {
    if (!this.#stored.delete(packetId)) return;
    this.#dirty.add(packetId);
    await this.#store.commit();
    crashPoint('inbox.released');
  }

  async begin(incarnation: string): Promise<void> {
    if (this.#incarnation !== undefined)
      this.noteGap({ reason: 'session-lost', fromMs: this.#seenMs || undefined, untilMs: this.#clock.now() });
    this.#incarnation = incarnation;
    this.#forgetSession();
    this.#store.write('DELETE FROM inbound');
    this.#setMeta('incarnation', incarnation);
    this.#setMeta('filters', '[]');
    await this.#store.commit();
    crashPoint('inbox.begun');
  }

  async noteFilters(filters: readonly string[]): Promise<void> {
    this.#filters = [...filters];
    this.#setMeta('filters', JSON.stringify(filters));
    await this.#store.commit();
  }

  noteGap(gap: Gap): void {
    this.gap = gap;
    this.#gapIsDirty = true;
  }

  /** Works a record in that is on disk now; in sequence order, each once. */
  apply(record: JournalRecord): void {
    this.#queuedSeq = record.seq;
    if (record.inbound !== undefined) this.#applyInbound(record.inbound, record.seq);
    else if (this.gap && record.topic === GAP_TOPIC) {
      this.gap = undefined;
      this.#gapIsDirty = true;
    }
  }

  /** Notes the position from time to time, so that a start has little to look through. @param isConnected the engine gives signs of life */
  tick(isConnected: boolean): void {
    const nowMs = this.#clock.now();
    if (isConnected) this.#seenMs = nowMs;
    if (nowMs - this.#notedAtMs >= NOTE_EVERY_MS || this.#queuedSeq - this.#notedSeq > NOTE_EVERY_EVENTS) this.#note();
  }

  async restore(): Promise<void> {
    const rows = await this.#store.all('SELECT key, value FROM meta');
    const meta = new Map(rows.map(({ key, value }) => [String(key), String(value)]));
    this.#seenMs = this.#notedSeenMs = Number(meta.get('seen') ?? 0);
    this.#notedSeq = this.#queuedSeq = Number(meta.get('applied') ?? 0);
    if (meta.has('gap')) this.gap = JSON.parse(meta.get('gap')!) as Gap;
    if (this.#isOwn(meta.get('owner'))) {
      this.#incarnation = meta.get('incarnation');
      this.#filters = JSON.parse(meta.get('filters') ?? '[]') as string[];
      for (const { packetId, seq } of await this.#store.all('SELECT packetId, seq FROM inbound'))
        this.#stored.set(Number(packetId), Number(seq));
      this.#setMeta('owner', JSON.stringify(this.#owner));
    } else await this.#changeOwner(meta.get('owner'), meta.get('incarnation'));
    await this.#replay();
    this.#hold.set(this.#notedSeq + 1);
  }

  #isOwn(noted: string | undefined): boolean {
    if (noted === undefined) return false;
    const { clientId, urls } = JSON.parse(noted) as InboxOwner;
    return clientId === this.#owner.clientId && urls.some((url) => this.#owner.urls.includes(url));
  }

  /**
   * The session of before may be another engine's. Under the same client id the engine says whether it has one: if so nothing was missed, else
   * that one counts as lost. What came for another client id since is not here.
   */
  async #changeOwner(owner: string | undefined, before: string | undefined): Promise<void> {
    this.#store.write('DELETE FROM inbound');
    this.#store.write("DELETE FROM meta WHERE key IN ('incarnation', 'filters')");
    if (before !== undefined && owner !== undefined) {
      if ((JSON.parse(owner) as InboxOwner).clientId === this.#owner.clientId) {
        this.#incarnation = createHexId(8);
        this.#setMeta('incarnation', this.#incarnation);
      } else this.noteGap({ reason: 'session-lost', fromMs: this.#seenMs || undefined, untilMs: this.#clock.now() });
    }
    this.#setMeta('owner', JSON.stringify(this.#owner));
    await this.#store.commit();
  }

  async #replay(): Promise<void> {
    const reader = this.#journal.read(undefined, this.#notedSeq + 1);
    for (;;) {
      const { records, caughtUp } = await reader.read(1000);
      for (const record of records) this.apply(record);
      this.#seenMs = Math.max(this.#seenMs, records.at(-1)?.arrivalMs ?? 0);
      if (caughtUp) break;
    }
    this.#queuedSeq = Math.max(this.#queuedSeq, this.#journal.head);
  }

  #applyInbound(inbound: string, seq: number): void {
    const colon = inbound.indexOf(':');
    if (inbound.slice(0, colon) !== this.#incarnation) return;
    const packetId = Number(inbound.slice(colon + 1));
    this.#stored.set(packetId, seq);
    this.#dirty.add(packetId);
  }

  #forgetSession(): void {
    this.#filters = [];
    this.#stored.clear();
    this.#dirty.clear();
  }

  /** Brings the rows to where `#queuedSeq` is, in the transaction that says so. */
  #note(): void {
    if (this.#queuedSeq === this.#notedSeq && this.#dirty.size === 0 && !this.#gapIsDirty && this.#seenMs === this.#notedSeenMs) return;
    for (const packetId of this.#dirty) {
      const seq = this.#stored.get(packetId);
      if (seq === undefined) this.#store.write('DELETE FROM inbound WHERE packetId = ?', packetId);
      else this.#store.write('INSERT OR REPLACE INTO inbound VALUES (?, ?)', packetId, seq);
    }
    this.#dirty.clear();
    if (this.#gapIsDirty) this.#writeGap();
    const seq = this.#queuedSeq;
    this.#setMeta('applied', String(seq));
    this.#setMeta('seen', String(this.#seenMs));
    this.#notedSeq = seq;
    this.#notedSeenMs = this.#seenMs;
    this.#notedAtMs = this.#clock.now();
    this.#store.onDurable(() => this.#hold.set(seq + 1));
  }

  #writeGap(): void {
    this.#gapIsDirty = false;
    if (this.gap) this.#setMeta('gap', JSON.stringify(this.gap));
    else this.#store.write("DELETE FROM meta WHERE key = 'gap'");
  }

  #setMeta(key: string, value: string): void {
    this.#store.write('INSERT OR REPLACE INTO meta VALUES (?, ?)', key, value);
  }
}
