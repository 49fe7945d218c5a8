import type { ConnectionOptions } from 'node:tls';
import { generate, type IConnackPacket, type IConnectPacket, type ISubackPacket, type Packet, parser, type QoS } from 'mqtt-packet';
import { within } from './deadline.ts';
import { PATIENCE_MS, PacketInbox, type PacketOf, type Published } from './packet-inbox.ts';
import { openStream, type RawStream } from './raw-stream.ts';

export type { Published } from './packet-inbox.ts';

export interface RawConnect extends Omit<Partial<IConnectPacket>, 'cmd' | 'protocolVersion' | 'password'> {
  /** Protocol level: 3 (MQTT 3.1), 4 (3.1.1, the default) or 5. */
  version?: 3 | 4 | 5;
  password?: string;
  /** Answer PUBLISH, PUBREC and PUBREL by itself, at once. Default false. */
  auto?: boolean;
  /** Certificates and versions for mqtts: and wss:. */
  tls?: ConnectionOptions;
}

export interface RawPublish {
  qos?: QoS;
  retain?: boolean;
  dup?: boolean;
  /** Default: the next one. */
  messageId?: number;
  properties?: Published['properties'];
}

let clients = 0;

/**
 * An MQTT client that does nothing by itself: every packet is sent by a call, every packet received waits
 * in `inbox` until a test takes it. Made to break rules, withhold acknowledgements and see each byte.
 */
export class RawClient extends PacketInbox implements Disposable {
  readonly stream: RawStream;
  /** Set: packets go here instead of to the inbox. */
  onPacket: ((packet: Packet) => void) | undefined;
  version: 3 | 4 | 5;
  auto = false;
  /** The CONNACK, once `connect` has resolved. */
  connack!: IConnackPacket;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
  readonly #parser;
  #lastId = 0;

  constructor(stream: RawStream, version: 3 | 4 | 5 = 4) {
    super();
    this.stream = stream;
    this.version = version;
    this.#parser = parser({ protocolVersion: version });
    this.#parser.on('packet', (packet: Packet) => this.#receive(packet));
    this.#parser.on('error', (error: Error) => this.fail(error));
    stream.onData = (chunk) => this.#parser.parse(chunk);
    this.ended = new Promise((resolve) => {
      stream.onClose = () => {
        this.close();
        resolve();
      };
    });
  }

  /** Opens the connection only: the first packet is the test's. */
  static async open(url: string, version: 3 | 4 | 5 = 4, tls?: ConnectionOptions): Promise<RawClient> {
    return new RawClient(await openStream(url, tls), version);
  }

  /** Opens the connection, sends CONNECT and resolves with a client whose CONNACK said yes. */
  static async connect(url: string, options: RawConnect = {}): Promise<RawClient> {
    const client = await RawClient.open(url, options.version, options.tls);
    try {
      client.auto = options.auto ?? false;
      client.sendConnect(options);
      client.connack = await client.expect('connack');
      const code = client.connack.returnCode || client.connack.reasonCode || 0;
      if (code !== 0) throw new Error(`CONNACK says ${code}`);
      return client;
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  /** Sends CONNECT. Defaults: a client id of its own, a clean session, no keep-alive. */
  sendConnect(options: RawConnect = {}): void {
    const { version = this.version, auto: _, tls: __, password, ...rest } = options;
    this.clientId = options.clientId ?? `raw-${process.pid}-${++clients}`;
    const protocolId = version === 3 ? 'MQIsdp' : 'MQTT';
    this.send({
      cmd: 'connect',
      protocolId,
      protocolVersion: version,
      clean: true,
      keepalive: 0,
      ...rest,
      clientId: this.clientId,
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
    });
  }

  send(packet: Packet): void {
    this.sendBytes(generate(packet, { protocolVersion: this.version }));
  }

  sendBytes(bytes: Uint8Array | number[]): void {
    this.stream.write(Uint8Array.from(bytes));
  }

  /** The next packet identifier; never one used before on this client, up to 65 535. */
  nextId(): number {
    return ++this.#lastId;
  }

  /** Sends PUBLISH and waits for nothing. Returns its packet identifier, 0 at QoS 0. */
  publish(topic: string, payload: string | Buffer, options: RawPublish = {}): number {
    const { qos = 0, retain = false, dup = false, properties } = options;
    const messageId = qos === 0 ? undefined : (options.messageId ?? this.nextId());
    this.send({ cmd: 'publish', topic, payload, qos, retain, dup, messageId, properties });
    return messageId ?? 0;
  }

  /** Publishes and goes through the whole exchange of its QoS. */
  async deliver(topic: string, payload: string | Buffer, options: RawPublish = {}): Promise<void> {
    const messageId = this.publish(topic, payload, options);
    if (options.qos === 1) await this.take('puback', { messageId });
    if (options.qos !== 2) return;
    await this.take('pubrec', { messageId });
    if (!this.auto) this.ack('pubrel', messageId);
    await this.take('pubcomp', { messageId });
  }

  /** Sends PUBACK, PUBREC, PUBREL or PUBCOMP. */
  ack(cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', messageId: number | undefined): void {
    this.send({ cmd, messageId } as Packet);
  }

  /** Sends SUBSCRIBE and resolves with the SUBACK; packets that came before it stay in the inbox. */
  async subscribe(filters: string | string[] | Record<string, QoS>, qos: QoS = 0): Promise<ISubackPacket> {
    const list = typeof filters === 'string' ? [filters] : filters;
    const pairs: [string, QoS][] = Array.isArray(list) ? list.map((topic) => [topic, qos]) : Object.entries(list);
    const messageId = this.nextId();
    this.send({ cmd: 'subscribe', messageId, subscriptions: pairs.map(([topic, qos]) => ({ topic, qos, nl: false, rap: false, rh: 0 })) });
    return this.take('suback', { messageId });
  }

  async unsubscribe(...filters: string[]): Promise<PacketOf<'unsuback'>> {
    const messageId = this.nextId();
    this.send({ cmd: 'unsubscribe', messageId, unsubscriptions: filters });
    return this.take('unsuback', { messageId });
  }

  /** PINGREQ; the next packet must be its PINGRESP: nothing else was on the way. */
  async ping(): Promise<void> {
    this.send({ cmd: 'pingreq' });
    await this.expect('pingresp');
  }

  /**
   * Nothing else may be on its way to this client: an event that it sends to itself now must be the next packet.
   * Unlike `ping` this also waits for events that the server has yet to write or read.
   */
  async expectQuiet(): Promise<void> {
    const topic = `quiet/${this.clientId}/${this.nextId()}`;
    await this.subscribe(topic);
    this.publish(topic, '');
    await this.expectMessage(topic, '');
    await this.unsubscribe(topic);
  }

  /** DISCONNECT, then resolves when the server has closed. */
  async disconnect(fields: Partial<PacketOf<'disconnect'>> = {}): Promise<void> {
    this.send({ cmd: 'disconnect', ...fields } as Packet);
    this.stream.end();
    await within(this.ended, PATIENCE_MS, `the end of the connection of ${this.clientId}`);
  }

  /** Cuts the connection without a DISCONNECT. */
  destroy(): void {
    this.stream.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #receive(packet: Packet): void {
    if (this.onPacket) {
      this.onPacket(packet);
      return;
    }
    if (this.auto) this.#answer(packet);
    this.put(packet);
  }

  #answer(packet: Packet): void {
    if (packet.cmd === 'publish' && packet.qos === 1) this.ack('puback', packet.messageId);
    if (packet.cmd === 'publish' && packet.qos === 2) this.ack('pubrec', packet.messageId);
    if (packet.cmd === 'pubrec') this.ack('pubrel', packet.messageId);
    if (packet.cmd === 'pubrel') this.ack('pubcomp', packet.messageId);
  }
}
