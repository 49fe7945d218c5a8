import { connect, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';

/** The least MQTT 3.1.1 client: QoS 1 on a bare socket, one persistent session. */
export class RawClient {
  readonly #socket: Socket;
  readonly #parser = parser({ protocolVersion: 4 });
  readonly #waiting = new Map<string, { resolve: (packet: Packet) => void; reject: (error: Error) => void }>();
  /** Told the topic of every PUBLISH, which is acknowledged. */
  onMessage: (topic: string) => void = () => {};
  #packetId = 0;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (bytes) => this.#parser.parse(bytes));
    this.#parser.on('packet', (packet) => this.#onPacket(packet));
    this.#socket.on('close', () => {
      for (const [to, { reject }] of this.#waiting) reject(new Error(`closed while waiting for ${to}`));
    });
  }

  /** Resolves with whether the server knew the session. */
  async connect(clientId: string): Promise<boolean> {
    this.#send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean: false, keepalive: 0 });
    const packet = await this.#answer('connack');
    if (packet.cmd !== 'connack' || packet.returnCode !== 0) throw new Error(`${clientId} was refused`);
    return packet.sessionPresent;
  }

  async subscribe(filters: string[]): Promise<void> {
    const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }));
    this.#send({ cmd: 'subscribe', messageId: ++this.#packetId, subscriptions });
    await this.#answer('suback');
  }

  async publish(topic: string, payload: string): Promise<void> {
    this.#send({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false, messageId: ++this.#packetId });
    await this.#answer(`puback ${this.#packetId}`);
  }

  /** Says DISCONNECT and resolves when the connection is closed. */
  close(): Promise<void> {
    this.#socket.end(generate({ cmd: 'disconnect' }));
    return new Promise((resolve) => this.#socket.once('close', () => resolve()));
  }

  #send(packet: Packet): void {
    this.#socket.write(generate(packet));
  }

  #answer(to: string): Promise<Packet> {
    return new Promise((resolve, reject) => this.#waiting.set(to, { resolve, reject }));
  }

  #onPacket(packet: Packet): void {
    if (packet.cmd === 'publish') {
      if (packet.qos === 1) this.#send({ cmd: 'puback', messageId: packet.messageId! });
      this.onMessage(packet.topic);
      return;
    }
    const key = packet.cmd === 'puback' ? `puback ${packet.messageId}` : packet.cmd;
    this.#waiting.get(key)?.resolve(packet);
    this.#waiting.delete(key);
  }
}
