import type { StateStore } from '../core/state-store.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalRecord } from '../journal/record.ts';
import { Message } from './message.ts';
import type { Retained } from './retained.ts';
import type { SessionState } from './session-state.ts';
import type { Sessions } from './sessions.ts';

const NOTE_EVERY_MS = 5000;
/** Events that a start may have to replay: a quarter of a second's work. */
const NOTE_EVERY_EVENTS = 50_000;

/**
 * State that follows from the journal: retained messages, and the packet ids of inbound QoS 2 publishes between PUBLISH and PUBREL.
 * Written lazily, always in the transaction that notes up to which sequence it goes; a start replays the journal from there.
 */
export class Projections {
  readonly #store: StateStore;
  readonly #retained: Retained;
  readonly #sessions: Sessions;
  readonly #sessionState: SessionState;
  /** Queued for the state up to here … */
  #queuedSeq = 0;
  /** … this was noted in it … */
  #notedSeq = 0;
  /** … and this is on disk: what comes after it must stay in the journal. */
  durableSeq = 0;
  #notedAtMs = Date.now();

  constructor(store: StateStore, retained: Retained, sessions: Sessions, sessionState: SessionState) {
    this.#store = store;
    this.#retained = retained;
    this.#sessions = sessions;
    this.#sessionState = sessionState;
    store.onBeforeCommit = () => this.#note();
  }

  /** Works an event into the state; in sequence order, each once. */
  apply(message: Message): void {
    if (message.retain) this.#retained.apply(message);
    if (message.inbound !== undefined) this.#applyInbound(message);
    if (message.seq > 0) this.#queuedSeq = message.seq;
  }

  /** Works in what the journal has and the state had not noted. */
  async replay(journal: Journal): Promise<void> {
    const noted = (await this.#store.all("SELECT value FROM meta WHERE key = 'applied'"))[0];
    this.durableSeq = this.#notedSeq = this.#queuedSeq = Number(noted?.value ?? 0);
    const reader = journal.read(undefined, this.#notedSeq + 1);
    for (;;) {
      const { records, caughtUp } = await reader.read(1000);
      for (const record of records) this.apply(Message.restored(record));
      if (caughtUp) break;
    }
    this.#queuedSeq = journal.head;
  }

  /** Notes the position even when nothing else is written, so that a start has little to replay. */
  tick(): void {
    if (Date.now() - this.#notedAtMs > NOTE_EVERY_MS || this.#queuedSeq - this.#notedSeq > NOTE_EVERY_EVENTS) this.#note();
  }

  #note(): void {
    if (this.#queuedSeq === this.#notedSeq) return;
    this.#notedSeq = this.#queuedSeq;
    this.#notedAtMs = Date.now();
    const seq = this.#notedSeq;
    this.#store.write("INSERT OR REPLACE INTO meta VALUES ('applied', ?)", String(seq));
    this.#store.onDurable(() => {
      this.durableSeq = seq;
    });
  }

  #applyInbound(message: JournalRecord): void {
    const [incarnation = '', id] = message.inbound!.split(':');
    const session = message.source === undefined ? undefined : this.#sessions.get(message.source);
    if (session?.incarnation !== incarnation) return;
    const packetId = Number(id);
    const entry = session.inbound.get(packetId);
    if (entry) {
      entry.seq = message.seq;
      entry.durable = true;
    } else session.inbound.set(packetId, { seq: message.seq, durable: true, answer: undefined });
    if (session.persistent) this.#sessionState.saveInbound(session.clientId, packetId, message.seq);
  }
}
