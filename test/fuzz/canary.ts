import { deepStrictEqual, equal } from 'node:assert/strict';
import type { HydrantServer } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';

/** A beat that takes longer than this, milliseconds, is a server that does not serve; one under attack on a busy machine is slow. */
const PATIENCE_MS = 20_000;
/** Topics that only the server publishes to, which packets of the fuzzer try. */
const RESERVED = ['$SYS/fuzz', '$hydrant/fuzz', '$SYS', '$share'];

/** Clients that behave, while others do not: everything they publish must come back, once. */
export class Canary {
  beats = 0;
  slowestMs = 0;
  readonly #publisher: RawClient;
  readonly #subscriber: RawClient;
  readonly #watcher: RawClient;
  readonly #httpUrl: string;

  private constructor(clients: RawClient[], httpUrl: string) {
    [this.#publisher, this.#subscriber, this.#watcher] = clients as [RawClient, RawClient, RawClient];
    this.#httpUrl = httpUrl;
  }

  static async start(server: HydrantServer): Promise<Canary> {
    const publisher = await RawClient.connect(server.mqttUrl, { clientId: 'canary-publisher', version: 5, auto: true });
    const subscriber = await RawClient.connect(server.wsUrl, { clientId: 'canary-subscriber', clean: false, auto: true });
    const watcher = await RawClient.connect(server.mqttUrl, { clientId: 'canary-watcher', auto: true });
    await subscriber.subscribe('canary/#', 2);
    await watcher.subscribe(RESERVED, 2);
    return new Canary([publisher, subscriber, watcher], server.httpUrl);
  }

  /** Publishes at QoS 1, QoS 2 and over HTTP. Resolves when all three are acknowledged and have come back, once each. */
  async beat(): Promise<void> {
    const startedMs = performance.now();
    const number = `${this.beats++}`;
    const answer = await fetch(new URL('/t/canary/http?qos=2', this.#httpUrl), {
      method: 'POST',
      body: number,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    equal(answer.status, 200, await answer.text());
    const ids = [this.#publisher.publish('canary/one', number, { qos: 1 }), this.#publisher.publish('canary/two', number, { qos: 2 })];
    await this.#publisher.take('puback', { messageId: ids[0] }, PATIENCE_MS);
    await this.#publisher.take('pubcomp', { messageId: ids[1] }, PATIENCE_MS);
    const came = await this.#subscriber.messages(3, PATIENCE_MS);
    for (const { qos, messageId } of came) if (qos === 2) await this.#subscriber.take('pubrel', { messageId: messageId! }, PATIENCE_MS);
    deepStrictEqual(came.map(({ topic, payload, dup }) => `${topic} ${payload}${dup ? ' dup' : ''}`).sort(), namesOf(number));
    this.#mayHaveMore();
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
  }

  /** Nothing else is on its way to the canary, and nobody has published where only the server may. */
  async finish(): Promise<void> {
    await this.#subscriber.expectQuiet();
    await this.#watcher.ping();
    for (const client of [this.#publisher, this.#subscriber, this.#watcher]) await client.disconnect();
  }

  destroy(): void {
    for (const client of [this.#publisher, this.#subscriber, this.#watcher]) client.destroy();
  }

  /** Compares with what `hydrant find` has: each event once. */
  check(events: { topic: string; payload: Uint8Array }[]): void {
    const found = events.map(({ topic, payload }) => `${topic} ${Buffer.from(payload)}`).sort();
    const sent = Array.from({ length: this.beats }, (_, number) => namesOf(`${number}`))
      .flat()
      .sort();
    deepStrictEqual(found, sent);
  }

  #mayHaveMore(): void {
    for (const client of [this.#publisher, this.#subscriber, this.#watcher]) {
      const stray = client.inbox.find((packet) => packet.cmd === 'publish');
      equal(stray, undefined, `${client.clientId} got an event that is not its own, or twice`);
      client.inbox.length = 0;
    }
  }
}

function namesOf(number: string): string[] {
  return [`canary/http ${number}`, `canary/one ${number}`, `canary/two ${number}`];
}
