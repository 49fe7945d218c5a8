import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Connection } from '../mqtt/connection.ts';
import type { ConnackPacket, ConnectPacket, Packet, PublishPacket } from '../mqtt/packet.ts';
import { tcpTransport } from '../mqtt/transport.ts';
import { matchFilter } from '../wire/topic.ts';
import { until } from './deadline.ts';

/** What a service answers to CONNECT: a code, and until when the login counts (milliseconds since 1970). */
export interface Login {
  code: number;
  properties?: ConnackPacket['properties'];
  untilMs?: number;
}

/** How a service is strict. What returns a text closes the connection for that reason. */
export interface ServiceRules {
  login(connect: ConnectPacket): Promise<Login | string> | Login | string;
  check(publish: PublishPacket, caller: Caller): string | undefined;
  allows(filter: string, caller: Caller): boolean;
  onPublish?(publish: PublishPacket, caller: Caller): void;
  onSubscribe?(filter: string, caller: Caller): void;
}

/** One connection, as the service sees it. */
export interface Caller {
  readonly connection: Connection;
  clientId: string;
  filters: Set<string>;
  /** Publishes received and not acknowledged. */
  unacknowledged: number;
  /** Of what it published. */
  readonly rate: Rate;
}

/** Counts what came within the last second. A little less than a second is looked at: a network brings things closer together. */
export class Rate {
  #entries: { atMs: number; amount: number }[] = [];

  /** What came in this second, this included. */
  add(amount: number): number {
    const nowMs = performance.now();
    this.#entries = this.#entries.filter(({ atMs }) => nowMs - atMs < 950);
    this.#entries.push({ atMs: nowMs, amount });
    return this.#entries.reduce((sum, entry) => sum + entry.amount, 0);
  }

  get count(): number {
    return this.#entries.length;
  }
}

export interface Received {
  topic: string;
  text: string;
  clientId: string;
  /** MQTT 5: the event's id. */
  id: string | undefined;
}

/** A service that takes everything. */
export function startService(): Promise<StandIn> {
  return new StandIn({ login: () => ({ code: 0 }), check: () => undefined, allows: () => true }).listen();
}

/** A service that many devices know, with its rules and nothing behind it. */
export class StandIn implements AsyncDisposable {
  /** Every publish it took, in order. */
  readonly received: Received[] = [];
  /** Why it closed connections, or refused logins. */
  readonly closings: string[] = [];
  /** Most publishes that one connection had out unacknowledged. */
  mostUnacknowledged = 0;
  connects = 0;
  readonly #server = createServer((socket) => this.#accept(socket));
  readonly #sockets = new Set<Socket>();
  readonly #callers = new Map<string, Caller>();
  readonly #rules: ServiceRules;
  readonly #timers = new Set<NodeJS.Timeout>();
  #held: (() => void)[] | undefined;
  #lastId = 0;

  constructor(rules: ServiceRules) {
    this.#rules = rules;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return this;
  }

  /** Acknowledges nothing until `release()`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const acknowledge of held) acknowledge();
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Sends to whoever has subscribed. Returns to how many. */
  deliver(topic: string, text: string): number {
    const all = [...this.#callers.values()].filter(({ filters }) => [...filters].some((filter) => matchFilter(filter, topic)));
    for (const { connection } of all) {
      this.#lastId = (this.#lastId % 65_535) + 1;
      connection.send({ cmd: 'publish', topic, payload: Buffer.from(text), qos: 1, retain: false, dup: false, messageId: this.#lastId });
    }
    return all.length;
  }

  /** Resolves once so many publishes were taken. */
  async took(count: number): Promise<Received[]> {
    await until(
      () => this.received.length >= count,
      () => `${count} publishes; there are ${this.received.length}; closed: ${this.closings.join(', ')}`,
      60_000,
    );
    return this.received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const connection: Connection = new Connection(tcpTransport(socket), {
      handler: {
        onPacket: (packet) => void this.#onPacket(packet, caller),
        onFault: (fault) => void this.closings.push(fault.message),
        onClose: () => {
          this.#sockets.delete(socket);
          if (this.#callers.get(caller.clientId) === caller) this.#callers.delete(caller.clientId);
        },
        onDrain() {},
      },
    });
    const caller: Caller = { connection, clientId: '', filters: new Set(), unacknowledged: 0, rate: new Rate() };
  }

  async #onPacket(packet: Packet, caller: Caller): Promise<void> {
    const { connection } = caller;
    if (packet.cmd === 'connect') await this.#onConnect(packet, caller);
    else if (packet.cmd === 'publish') this.#onPublish(packet, caller);
    else if (packet.cmd === 'pingreq') connection.send({ cmd: 'pingresp' });
    else if (packet.cmd === 'disconnect') connection.close();
    else if (packet.cmd === 'subscribe') {
      const filters = packet.subscriptions.map(({ topic }) => topic);
      const granted = filters.map((filter) => (this.#rules.allows(filter, caller) ? 1 : 0x80));
      connection.send({ cmd: 'suback', messageId: packet.messageId, granted });
      for (const filter of filters.filter((_, at) => granted[at] === 1)) {
        caller.filters.add(filter);
        this.#rules.onSubscribe?.(filter, caller);
      }
    } else if (packet.cmd === 'unsubscribe') {
      for (const filter of packet.unsubscriptions) caller.filters.delete(filter);
      connection.send({ cmd: 'unsuback', messageId: packet.messageId, granted: packet.unsubscriptions.map(() => 0) });
    }
  }

  async #onConnect(packet: ConnectPacket, caller: Caller): Promise<void> {
    const { connection } = caller;
    this.connects++;
    const login = await this.#rules.login(packet);
    if (typeof login === 'string') return this.#end(caller, login);
    const { code, properties, untilMs } = login;
    connection.send({
      cmd: 'connack',
      returnCode: code,
      reasonCode: code,
      sessionPresent: false,
      properties: connection.version === 5 ? properties : undefined,
    });
    if (code !== 0) return this.#end(caller, `login refused with ${code}`);
    caller.clientId = packet.clientId;
    const before = this.#callers.get(caller.clientId);
    this.#callers.set(caller.clientId, caller);
    if (before) this.#end(before, 'another connection of the device');
    if (untilMs === undefined) return;
    const timer = setTimeout(() => this.#end(caller, 'the login has expired'), untilMs - Date.now());
    this.#timers.add(timer);
  }

  #onPublish(packet: PublishPacket, caller: Caller): void {
    const { topic, qos, messageId = 0, userProperties = [] } = packet;
    if (qos > 0) caller.unacknowledged++;
    this.mostUnacknowledged = Math.max(this.mostUnacknowledged, caller.unacknowledged);
    const why = this.#rules.check(packet, caller);
    if (why !== undefined) return this.#end(caller, why);
    const id = userProperties.find(([name]) => name === 'hydrant-id')?.[1];
    this.received.push({ topic, text: packet.payload.toString(), clientId: caller.clientId, id });
    this.#rules.onPublish?.(packet, caller);
    if (qos === 0) return;
    const acknowledge = (): void => {
      caller.unacknowledged--;
      caller.connection.sendAck('puback', messageId);
    };
    if (this.#held) this.#held.push(acknowledge);
    else acknowledge();
  }

  #end({ connection }: Caller, why: string): void {
    if (!connection.open) return;
    this.closings.push(why);
    connection.close();
  }
}
