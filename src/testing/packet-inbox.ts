import { deepStrictEqual } from 'node:assert/strict';
import type { Packet, PacketCmd } from 'mqtt-packet';
import { within } from './deadline.ts';

export type PacketOf<C extends PacketCmd> = Extract<Packet, { cmd: C }>;
export type Published = PacketOf<'publish'>;

/** Milliseconds until an expectation fails. */
export const PATIENCE_MS = 10_000;

/** Packets of one connection, in the order received, waiting for a test to take them. */
export class PacketInbox {
  readonly inbox: Packet[] = [];
  /** Every packet put in here, taken or not. */
  readonly history: Packet[] = [];
  /** Whose packets they are, for messages. */
  clientId = '';
  closed = false;
  #removals = 0;
  #fault: Error | undefined;
  readonly #waiters = new Set<() => void>();

  /** Takes the next packet, whatever it is. */
  async next(timeoutMs = PATIENCE_MS): Promise<Packet> {
    await this.#until(() => this.inbox.length > 0, timeoutMs, 'a packet');
    return this.#remove(0);
  }

  /** Takes the next packet, which must be this one, with these fields. */
  async expect<C extends PacketCmd>(cmd: C, fields: Partial<PacketOf<C>> = {}, timeoutMs = PATIENCE_MS): Promise<PacketOf<C>> {
    await this.#until(() => this.inbox.length > 0, timeoutMs, cmd);
    const packet = this.#remove(0) as PacketOf<C>;
    deepStrictEqual(pick(packet, ['cmd', ...Object.keys(fields)]), { cmd, ...fields });
    return packet;
  }

  /** Takes the first packet like this one, now or later; others stay in the inbox, in order. */
  async take<C extends PacketCmd>(cmd: C, fields: Partial<PacketOf<C>> = {}, timeoutMs = PATIENCE_MS): Promise<PacketOf<C>> {
    const wanted = Object.entries(fields);
    const match = (packet: Packet): boolean =>
      packet.cmd === cmd && wanted.every(([key, value]) => (packet as unknown as Record<string, unknown>)[key] === value);
    let at = 0;
    let removals = this.#removals;
    const found = (): boolean => {
      if (removals !== this.#removals) at = 0;
      removals = this.#removals;
      while (at < this.inbox.length && !match(this.inbox[at] as Packet)) at++;
      return at < this.inbox.length;
    };
    await this.#until(found, timeoutMs, `${cmd} ${JSON.stringify(fields)}`);
    found();
    return this.#remove(at) as PacketOf<C>;
  }

  /** Takes the next `count` PUBLISH packets; anything else stays. */
  async messages(count: number, timeoutMs = PATIENCE_MS): Promise<Published[]> {
    const taken: Published[] = [];
    while (taken.length < count) taken.push(await this.take('publish', {}, timeoutMs));
    return taken;
  }

  /** The next packet must be a PUBLISH with this topic and payload. */
  async expectMessage(topic: string, payload: string, fields: Partial<Published> = {}): Promise<Published> {
    const packet = await this.expect('publish');
    deepStrictEqual(
      { topic: packet.topic, payload: packet.payload.toString(), ...pick(packet, Object.keys(fields)) },
      { topic, payload, ...fields },
    );
    return packet;
  }

  /** The server must close the connection, with no packet before that a test has not taken. */
  async expectClose(timeoutMs = PATIENCE_MS): Promise<void> {
    await this.#until(() => this.closed || this.inbox.length > 0, timeoutMs, 'the connection to be closed', true);
    deepStrictEqual(this.inbox, [], 'packets where the connection should have been closed');
  }

  protected put(packet: Packet): void {
    this.history.push(packet);
    this.inbox.push(packet);
    this.#wake();
  }

  /** Nothing comes any more: the connection has ended. */
  protected close(): void {
    this.closed = true;
    this.#wake();
  }

  /** What came was no packet. */
  protected fail(error: Error): void {
    this.#fault = error;
    this.#wake();
  }

  #remove(at: number): Packet {
    this.#removals++;
    return (at === 0 ? this.inbox.shift() : this.inbox.splice(at, 1)[0]) as Packet;
  }

  #wake(): void {
    for (const look of this.#waiters) look();
  }

  async #until(ready: () => boolean, timeoutMs: number, what: string, closeIsFine = false): Promise<void> {
    const done = Promise.withResolvers<void>();
    const look = (): void => {
      if (ready()) done.resolve();
      else if (this.#fault) done.reject(this.#fault);
      else if (this.closed && !closeIsFine) done.reject(new Error(`${this.clientId}: closed while waiting for ${what}`));
    };
    this.#waiters.add(look);
    look();
    const state = (): string => `${what} on ${this.clientId}; waiting there: ${JSON.stringify(this.inbox).slice(0, 2000)}`;
    try {
      await within(done.promise, timeoutMs, state);
    } finally {
      this.#waiters.delete(look);
    }
  }
}

function pick(from: object, keys: string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, (from as Record<string, unknown>)[key]]));
}
