import type { Packet } from 'mqtt-packet';
import type { StoredEvent } from '../wire/event.ts';
import { RawClient } from './raw-client.ts';

interface Outstanding {
  number: number;
  /** What the publisher waits for: PUBACK or PUBREC, then PUBCOMP. */
  waitsFor: 'ack' | 'pubcomp';
}

/**
 * Publishes numbered events over any number of connections, following the protocol to the letter: on reconnect it
 * sends what is outstanding again, PUBLISH with DUP and its old packet id, PUBREL once PUBREC was seen.
 */
export class NumberedPublisher {
  readonly name: string;
  readonly qos: 1 | 2;
  readonly topic: string;
  /** Numbers the server took responsibility for: PUBACK, or PUBREC. */
  readonly acknowledged = new Set<number>();
  /** What broke the protocol or the promise. */
  readonly failures: string[] = [];
  readonly #window: number;
  readonly #outstanding = new Map<number, Outstanding>();
  #next = 0;
  #lastId = 0;
  #hasSession = false;
  #finishing = false;

  constructor(name: string, qos: 1 | 2, window: number) {
    this.name = name;
    this.qos = qos;
    this.topic = `load/${name}`;
    this.#window = window;
  }

  /** How many numbers were given out; they begin at 0. */
  get sent(): number {
    return this.#next;
  }

  /** Connects, sends again what is outstanding, then fills the window with new events every `everyMs`, until the connection ends. */
  async run(url: string, everyMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await this.#connect(url, (client) => {
      timer = setInterval(() => {
        if (!this.#finishing) this.#fill(client);
        else if (this.#outstanding.size === 0) client.stream.end();
      }, everyMs);
    });
    clearInterval(timer);
  }

  /** Nothing new: `run` ends when all is acknowledged, so that nothing is sent again. */
  finish(): void {
    this.#finishing = true;
  }

  /** Connects and leaves once everything outstanding is acknowledged. */
  async settle(url: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await this.#connect(url, (client) => {
      timer = setInterval(() => {
        if (this.#outstanding.size === 0) client.stream.end();
      }, 5);
    });
    clearInterval(timer);
  }

  /** Compares with the journal's events: nothing acknowledged missing, nothing invented, QoS 2 once. */
  check(events: StoredEvent[]): string[] {
    const counts = new Map<number, number>();
    for (const event of events) {
      if (event.topic !== this.topic) continue;
      const number = Number(event.payload.toString());
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
    const faults = [...this.failures];
    for (const number of this.acknowledged) if (!counts.has(number)) faults.push(`${this.name}: acknowledged event ${number} is missing`);
    for (const [number, count] of counts) {
      if (number >= this.#next) faults.push(`${this.name}: event ${number} was never sent`);
      if (this.qos === 2 && count > 1) faults.push(`${this.name}: QoS 2 event ${number} is there ${count} times`);
    }
    return faults;
  }

  async #connect(url: string, onReady: (client: RawClient) => void): Promise<void> {
    const client = await RawClient.open(url).catch(() => undefined);
    if (!client) return;
    client.onPacket = (packet) => {
      if (packet.cmd === 'connack') {
        this.#resume(client, packet.sessionPresent);
        onReady(client);
      } else this.#onPacket(client, packet);
    };
    client.sendConnect({ clientId: this.name, clean: false });
    await client.ended;
  }

  #resume(client: RawClient, sessionPresent: boolean): void {
    if (this.#hasSession && !sessionPresent) this.failures.push(`${this.name}: its session is gone`);
    this.#hasSession = true;
    for (const [messageId, { number, waitsFor }] of this.#outstanding) {
      if (waitsFor === 'pubcomp') client.ack('pubrel', messageId);
      else client.publish(this.topic, `${number}`, { qos: this.qos, messageId, dup: true });
    }
  }

  #fill(client: RawClient): void {
    while (!client.closed && this.#outstanding.size < this.#window) {
      do this.#lastId = (this.#lastId % 65_535) + 1;
      while (this.#outstanding.has(this.#lastId));
      this.#outstanding.set(this.#lastId, { number: this.#next, waitsFor: 'ack' });
      client.publish(this.topic, `${this.#next++}`, { qos: this.qos, messageId: this.#lastId });
    }
  }

  #onPacket(client: RawClient, packet: Packet): void {
    const messageId = packet.messageId as number;
    const outstanding = this.#outstanding.get(messageId);
    const expected = this.qos === 1 ? ['puback'] : outstanding?.waitsFor === 'pubcomp' ? ['pubrec', 'pubcomp'] : ['pubrec'];
    if (!outstanding || !expected.includes(packet.cmd)) {
      this.failures.push(`${this.name}: ${packet.cmd} for packet id ${messageId}, which waits for ${outstanding?.waitsFor ?? 'nothing'}`);
      return;
    }
    this.acknowledged.add(outstanding.number);
    if (packet.cmd !== 'pubrec') {
      this.#outstanding.delete(messageId);
      return;
    }
    outstanding.waitsFor = 'pubcomp';
    client.ack('pubrel', messageId);
  }
}
