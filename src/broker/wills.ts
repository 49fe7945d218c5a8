import { createHexId } from '../core/id.ts';
import type { StateStore } from '../core/state-store.ts';
import type { Event } from '../wire/event.ts';

/** What is published when a client goes without a word, and how long it may stay away first. */
export interface Will {
  event: Event;
  /** Seconds, MQTT 5 §3.1.3.2.2. */
  delaySeconds: number;
}

const RETRY_MS = 1000;

/**
 * Wills of connected clients, kept in the state store: after a crash of the server they are published too, unless the client
 * comes back within its delay or the grace time.
 */
export class Wills {
  readonly #store: StateStore;
  readonly #publish: (event: Event) => Promise<unknown>;
  readonly #wills = new Map<string, Will>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** Being published, and under which client id each stays in the state until that is done. */
  readonly #firing = new Map<Will, string>();

  constructor(store: StateStore, publish: (event: Event) => Promise<unknown>) {
    this.#store = store;
    this.#publish = publish;
  }

  /** Wills of clients that were connected when the server ended. */
  async load(graceMs: number): Promise<void> {
    for (const row of await this.#store.all('SELECT * FROM wills')) {
      const event = JSON.parse(String(row.event)) as Omit<Event, 'payload'>;
      const clientId = String(row.client);
      this.#wills.set(clientId, { event: { ...event, payload: Buffer.from(row.payload as Uint8Array) }, delaySeconds: Number(row.delay) });
      this.#schedule(clientId, Math.max(graceMs, Number(row.delay) * 1000));
    }
  }

  /** Durable with the next commit of the state store. */
  set(clientId: string, will: Will): void {
    this.#stop(clientId);
    this.#moveAside(clientId);
    this.#wills.set(clientId, will);
    const { payload, ...event } = will.event;
    this.#store.write('INSERT OR REPLACE INTO wills VALUES (?, ?, ?, ?)', clientId, JSON.stringify(event), payload, will.delaySeconds);
  }

  /** The client said goodbye, or came back. True when there was one. */
  remove(clientId: string): boolean {
    this.#stop(clientId);
    const will = this.#wills.get(clientId);
    if (!will) return false;
    this.#wills.delete(clientId);
    if (!this.#firing.has(will)) this.#forget(clientId);
    return true;
  }

  /** The connection is gone without a DISCONNECT [MQTT-3.1.2-8]. @param withinSeconds the session ends then, and the will does not wait longer */
  lose(clientId: string, withinSeconds: number): void {
    const will = this.#wills.get(clientId);
    if (will) this.#schedule(clientId, Math.min(will.delaySeconds, withinSeconds) * 1000);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #schedule(clientId: string, delayMs: number): void {
    this.#stop(clientId);
    if (delayMs <= 0) this.#fire(clientId);
    else this.#timers.set(clientId, setTimeout(() => this.#fire(clientId), Math.min(delayMs, 0x7fff_ffff)).unref());
  }

  #stop(clientId: string): void {
    clearTimeout(this.#timers.get(clientId));
    this.#timers.delete(clientId);
  }

  #fire(clientId: string): void {
    this.#timers.delete(clientId);
    const will = this.#wills.get(clientId);
    if (will && !this.#firing.has(will)) this.#publishWill(clientId, will);
  }

  /** Journal first: the will is forgotten only when it has been published. */
  #publishWill(clientId: string, will: Will): void {
    if (!this.#firing.has(will)) this.#firing.set(will, clientId);
    this.#publish(will.event).then(
      () => {
        if (this.#wills.get(clientId) === will) this.#wills.delete(clientId);
        this.#forget(this.#firing.get(will)!);
        this.#firing.delete(will);
      },
      () => setTimeout(() => this.#publishWill(clientId, will), RETRY_MS).unref(),
    );
  }

  /** The will of this client that is being published makes room for another: no client id has a NUL, so nobody takes its new place. */
  #moveAside(clientId: string): void {
    for (const [will, key] of this.#firing) {
      if (key !== clientId) continue;
      const aside = `${clientId}\0${createHexId(8)}`;
      this.#firing.set(will, aside);
      this.#store.write('UPDATE wills SET client = ? WHERE client = ?', aside, clientId);
    }
  }

  #forget(clientId: string): void {
    this.#store.write('DELETE FROM wills WHERE client = ?', clientId);
  }
}
