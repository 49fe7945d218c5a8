import type { Packet } from 'mqtt-packet';
import { within } from './deadline.ts';
import type { NumberedPublisher } from './numbered-publisher.ts';
import { RawClient } from './raw-client.ts';

/**
 * A persistent subscriber to numbered events that follows the protocol to the letter over any number of connections:
 * a QoS 2 packet id is remembered until its PUBREL, a PUBLISH repeated meanwhile is acknowledged and not counted.
 */
export class NumberedSubscriber {
  readonly name: string;
  readonly qos: 1 | 2;
  readonly failures: string[] = [];
  readonly #seen = new Map<string, number>();
  /** Highest number seen, by topic. */
  readonly #highest = new Map<string, number>();
  readonly #received = new Set<number>();
  readonly #acksEveryMs: number;
  readonly #filter: string;
  readonly #isOrdered: boolean;
  #hasSession = false;
  #client: RawClient | undefined;
  #late: (() => void)[] = [];

  /**
   * @param acksEveryMs 0 acknowledges at once; else acknowledgements are held and sent together
   * @param share the group that it is a member of: what another has left may come late, so order is not looked at
   */
  constructor(name: string, qos: 1 | 2, acksEveryMs = 0, share?: string) {
    this.name = name;
    this.qos = qos;
    this.#acksEveryMs = acksEveryMs;
    this.#filter = share === undefined ? 'load/#' : `$share/${share}/load/#`;
    this.#isOrdered = share === undefined;
  }

  /** How often each event, `topic number`, was taken for a new one. */
  get seen(): ReadonlyMap<string, number> {
    return this.#seen;
  }

  /** Connects, subscribes to `load/#` if it has no session yet, and receives until the connection ends. */
  async run(url: string, onReady: () => void = () => {}): Promise<void> {
    const client = await RawClient.open(url).catch(() => undefined);
    if (!client) return;
    this.#client = client;
    client.onPacket = (packet) => {
      if (packet.cmd === 'connack') {
        if (this.#hasSession && !packet.sessionPresent) this.failures.push(`${this.name}: its session is gone`);
        if (this.#hasSession) onReady();
        else client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: this.#filter, qos: this.qos }] });
      } else if (packet.cmd === 'suback') {
        this.#hasSession = true;
        onReady();
      } else this.#onPacket(client, packet);
    };
    client.sendConnect({ clientId: this.name, clean: false });
    const timer = this.#acksEveryMs > 0 ? setInterval(() => this.#sendLate(), this.#acksEveryMs) : undefined;
    await client.ended;
    clearInterval(timer);
    this.#late = [];
  }

  /** Leaves in an orderly way, if it is there. */
  async leave(): Promise<void> {
    if (this.#client && !this.#client.closed) await this.#client.disconnect();
  }

  /** Resolves when every acknowledged event has arrived. */
  async complete(publishers: NumberedPublisher[], timeoutMs: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    let missing = new Set<string>();
    for (const publisher of publishers) for (const number of publisher.acknowledged) missing.add(`${publisher.topic} ${number}`);
    const look = (): void => {
      missing = new Set([...missing].filter((key) => !this.#seen.has(key)));
      if (missing.size === 0) done.resolve();
    };
    const timer = setInterval(look, 20);
    try {
      await within(done.promise, timeoutMs, () => `${this.name} to get ${missing.size} events: ${[...missing].slice(0, 20).join(', ')}`);
    } finally {
      clearInterval(timer);
    }
  }

  /** What was wrong with what it got: order, and QoS 2 events seen twice. */
  check(publishers: NumberedPublisher[]): string[] {
    const faults = [...this.failures];
    if (this.qos === 1) return faults;
    const twice = new Set(publishers.filter((publisher) => publisher.qos === 2).map((publisher) => publisher.topic));
    for (const [key, count] of this.#seen) {
      if (count > 1 && twice.has(key.split(' ')[0] as string)) faults.push(`${this.name}: QoS 2 event ${key} came ${count} times`);
    }
    return faults;
  }

  #onPacket(client: RawClient, packet: Packet): void {
    const messageId = packet.messageId as number;
    if (packet.cmd === 'pubrel') {
      this.#received.delete(messageId);
      this.#answer(() => client.ack('pubcomp', messageId));
    } else if (packet.cmd === 'publish') {
      if (packet.qos === 0) this.failures.push(`${this.name}: ${packet.topic} came at QoS 0`);
      const repeated = packet.qos === 2 && this.#received.has(messageId);
      if (repeated && !packet.dup) this.failures.push(`${this.name}: packet id ${messageId} came again without DUP`);
      if (packet.qos === 2) this.#received.add(messageId);
      if (!repeated) this.#count(packet.topic, Number(packet.payload.toString()), packet.dup);
      this.#answer(() => client.ack(packet.qos === 1 ? 'puback' : 'pubrec', messageId));
    }
  }

  #count(topic: string, number: number, dup: boolean): void {
    const key = `${topic} ${number}`;
    const count = (this.#seen.get(key) ?? 0) + 1;
    this.#seen.set(key, count);
    if (count > 1) return;
    const highest = this.#highest.get(topic) ?? -1;
    if (this.#isOrdered && number < highest) this.failures.push(`${this.name}: ${key} came first after ${highest}${dup ? ', as DUP' : ''}`);
    this.#highest.set(topic, Math.max(number, highest));
  }

  #answer(send: () => void): void {
    if (this.#acksEveryMs === 0) send();
    else this.#late.push(send);
  }

  #sendLate(): void {
    for (const send of this.#late.splice(0)) send();
  }
}
