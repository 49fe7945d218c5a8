import { type Identity, NO_PERMISSIONS, type Permissions } from '../access/access.ts';
import { Connection, type ConnectionHandler } from '../mqtt/connection.ts';
import { encodePacket } from '../mqtt/encode.ts';
import type { PacketFault } from '../mqtt/fault.ts';
import type { AckPacket, AuthPacket, ConnectPacket, DisconnectPacket, Packet } from '../mqtt/packet.ts';
import type { Transport } from '../mqtt/transport.ts';
import type { QoS } from '../wire/event.ts';
import { renewToken } from './authentication.ts';
import type { Broker } from './broker.ts';
import type { ClientNames } from './client-events.ts';
import { connect, readExpiry } from './connect.ts';
import type { Delivery } from './delivery.ts';
import type { Message } from './message.ts';
import { Publishing } from './publishing.ts';
import { REASON } from './reasons.ts';
import { Sending } from './sending.ts';
import type { Session } from './session.ts';
import type { Sink } from './session-host.ts';
import { count, total } from './statistics.ts';
import { subscribe, unsubscribe } from './subscribing.ts';
import type { Route } from './subscription.ts';

/** Why a connection ended. */
interface Ending {
  /** One word that stays the same. */
  reason: string;
  /** Reason code of the DISCONNECT that was sent or received. */
  code?: number;
  /** For people. */
  message?: string;
}

const NOBODY: Identity = { user: 'anonymous', admin: false };
/** Characters of a reason string, ours or a client's. */
const LONGEST_REASON = 300;

/** One MQTT client on one connection: speaks the protocol, and is the sink of its session while it lasts. */
export class Client implements ConnectionHandler, Sink {
  readonly connection: Connection;
  readonly transport: Transport;
  readonly publishing: Publishing;
  /** Made again by CONNECT, which says what the client takes. */
  sending: Sending;
  session: Session | undefined;
  identity = NOBODY;
  permissions: Permissions = NO_PERMISSIONS;
  /** From CONNECT; 65 535 where the protocol has no such thing. */
  receiveMaximum = 65_535;
  /** Request Problem Information, MQTT 5 §3.1.2.11.7. */
  wantsReasons = true;
  /** It said so in CONNECT, and may renew its token, MQTT 5 §4.12. */
  authenticationMethod: string | undefined;
  connectedMs = 0;
  /** The CONNACK has gone out: from then on it is DISCONNECT that tells why [MQTT-3.14.0-1]. */
  isAnswered = false;
  readonly #broker: Broker;
  #clientId = '';
  #goodbye = false;
  #ending: Ending = { reason: 'connection-lost' };
  /** Messages that it did not get since it was last told, by reason. */
  #drops: Record<string, number> | undefined;

  constructor(broker: Broker, transport: Transport) {
    this.#broker = broker;
    this.transport = transport;
    const { packetBytes, stalled, connectTimeout } = broker.options.limits;
    this.connection = new Connection(transport, {
      handler: this,
      maxPacketBytes: packetBytes,
      stalledMs: stalled,
      connectTimeoutMs: connectTimeout,
    });
    this.publishing = new Publishing(broker, this);
    this.sending = new Sending(broker, this, {});
  }

  get version(): 3 | 4 | 5 {
    return this.connection.version;
  }

  /** The standard that it speaks: `3.1`, `3.1.1` or `5.0`. */
  get protocol(): string {
    return { 3: '3.1', 4: '3.1.1', 5: '5.0' }[this.version];
  }

  /** For events and the log; also after its session has gone. */
  get names(): ClientNames {
    return { clientId: this.#clientId, user: this.identity.user, remote: this.connection.remote };
  }

  /** It is let in, as whoever has this client id. */
  admit(clientId: string, identity: Identity, permissions: Permissions): void {
    this.#clientId = clientId;
    this.identity = identity;
    this.permissions = permissions;
    this.connectedMs = this.#broker.nowMs();
  }

  onPacket(packet: Packet): void {
    if (this.#goodbye) return;
    if (packet.cmd === 'connect') return void connect(this.#broker, this, packet as ConnectPacket);
    const { session } = this;
    if (!session) return;
    switch (packet.cmd) {
      case 'publish':
        return this.publishing.onPublish(packet, session);
      case 'puback':
        session.inFlight.acknowledge(packet.messageId!);
        return;
      case 'pubrec':
        return this.#onPubrec(packet, session);
      case 'pubrel':
        return this.publishing.onPubrel(packet, session);
      case 'pubcomp':
        session.inFlight.completed(packet.messageId!);
        return;
      case 'subscribe':
        return subscribe(this.#broker, this, session, packet);
      case 'unsubscribe':
        return unsubscribe(this.#broker, this, session, packet);
      case 'pingreq':
        return this.connection.send({ cmd: 'pingresp' });
      case 'disconnect':
        return this.#onDisconnect(packet, session);
      case 'auth':
        return void renewToken(this.#broker, this, packet as AuthPacket);
      default:
        return this.refuse(REASON.protocolError, `unexpected ${packet.cmd}`);
    }
  }

  onFault(fault: PacketFault): void {
    count(this.#broker.statistics.faults, fault.reason);
    this.#broker.log('warn', 'a client broke the protocol and was closed', {
      client: this.session?.clientId,
      remote: this.connection.remote,
      reason: fault.reason,
      error: fault.message,
    });
    this.#ending = { reason: fault.reason, code: fault.reasonCode, message: fault.message };
    this.#tellReason(fault.reasonCode, fault.message);
  }

  onClose(error?: Error): void {
    this.#broker.forget(this);
    if (error) this.#ending.message ??= error.message;
    const { session } = this;
    if (!session) return;
    this.#tellEnd();
    this.session = undefined;
    this.#broker.disconnected(session, this.#goodbye);
  }

  onDrain(): void {
    this.session?.pump();
  }

  /** Closes the connection with a reason, which MQTT 5 clients are told. */
  refuse(reasonCode: number, why: string): void {
    const reason = why.replaceAll(' ', '-');
    count(this.#broker.statistics.faults, reason);
    this.#broker.log('warn', 'a client was refused and closed', { client: this.#clientId, remote: this.connection.remote, reason: why });
    this.#ending = { reason, code: reasonCode };
    this.#tellReason(reasonCode, why);
    this.connection.close();
  }

  /** The CONNECT is refused. @param returnCode of 3.x */
  refuseConnect(returnCode: number, reasonCode: number, why: string): void {
    const refusal = { sessionPresent: false } as const;
    this.send(
      this.version === 5
        ? { cmd: 'connack', reasonCode, ...refusal, ...this.because(why, true) }
        : { cmd: 'connack', returnCode, ...refusal },
    );
    this.connection.close();
  }

  /** Another connection has taken this client's session [MQTT-3.1.4-3], or somebody ends this one. */
  leave(reasonCode: number, reason: string): void {
    this.#ending = { reason, code: reasonCode };
    this.#tellEnd();
    this.session = undefined;
    if (this.version === 5 && this.isAnswered) this.send({ cmd: 'disconnect', reasonCode });
    this.connection.close();
  }

  /** The server stops: the session stays as it is, and so does the will. */
  shutDown(): void {
    this.#ending = { reason: 'server-stop', code: REASON.serverShuttingDown };
    if (this.version === 5 && this.isAnswered) this.send({ cmd: 'disconnect', reasonCode: REASON.serverShuttingDown });
    this.connection.close();
  }

  /** A client that takes no packet of that size gets it without its reason string, or is closed: it could not be answered [MQTT-3.1.2-24]. */
  send(packet: Packet): void {
    const { maxPacketBytes } = this.sending;
    const fits = maxPacketBytes === Number.POSITIVE_INFINITY || encodePacket(packet, this.version).length <= maxPacketBytes;
    if (fits) this.connection.send(packet);
    else if ('properties' in packet && packet.properties && 'reasonString' in packet.properties) {
      const { reasonString: _, ...properties } = packet.properties;
      this.send({ ...packet, properties } as Packet);
    } else this.connection.close();
  }

  /**
   * Properties with a Reason String, for those who want one.
   * @param always CONNACK and DISCONNECT may have it even when it was not asked for [MQTT-3.1.2-29]
   */
  because(why: string, always = false): { properties?: { reasonString: string } } {
    return always || this.wantsReasons ? { properties: { reasonString: why.slice(0, LONGEST_REASON) } } : {};
  }

  /** A message that it does not get. */
  drop(reason: string): void {
    count(this.#broker.statistics.dropped, reason);
    this.#drops ??= {};
    count(this.#drops, reason);
  }

  /** Tells how many messages it did not get since the last time. */
  tellDrops(): void {
    if (!this.#drops) return;
    const reasons = this.#drops;
    this.#drops = undefined;
    const { clientId: client, user, remote } = this.names;
    this.#broker.log('warn', 'a client did not get messages', { client, user, remote, ...reasons });
    this.#broker.events.tell('dropped', this.names, { messages: total(reasons), reasons });
  }

  whenDurable(session: Session, act: () => void): void {
    if (!session.persistent) return act();
    this.#broker.sessionState.onDurable(() => {
      if (this.session === session) act();
    });
  }

  answerUnknown(cmd: 'pubrel' | 'pubcomp', messageId: number): void {
    if (this.version === 5) this.send({ cmd, messageId, reasonCode: REASON.packetIdentifierNotFound });
    else this.connection.sendAck(cmd, messageId);
  }

  // Sink

  get window(): number {
    return Math.min(this.receiveMaximum, this.#broker.options.limits.inFlight);
  }

  get writable(): boolean {
    return this.connection.open && this.connection.bufferedBytes < this.#broker.options.limits.queuedBytes;
  }

  takes(message: Message, qos: QoS, route: Route): boolean {
    return this.sending.takes(message, qos, route);
  }

  deliverOnce(message: Message, route: Route, retained: boolean): void {
    if (this.writable) this.sending.send(message, { qos: 0, route, retained, dup: false, packetId: 0 });
    else if (this.connection.open) this.drop('slow-reader');
  }

  deliver(delivery: Delivery): void {
    const { message, qos, packetId, tracked } = delivery;
    if (this.sending.send(message!, delivery)) {
      if (tracked) delivery.message = undefined;
      else message!.keep();
      return;
    }
    // Too large for this client: as if it had been delivered [MQTT-3.1.2-25].
    queueMicrotask(() => (qos === 1 ? this.session?.inFlight.acknowledge(packetId) : this.session?.inFlight.completed(packetId)));
  }

  release(delivery: Delivery): void {
    this.connection.sendAck('pubrel', delivery.packetId);
  }

  #onPubrec(packet: AckPacket, session: Session): void {
    const messageId = packet.messageId!;
    if ((packet.reasonCode ?? 0) >= 0x80) session.inFlight.completed(messageId);
    else if (!session.inFlight.received(messageId)) this.answerUnknown('pubrel', messageId);
  }

  #onDisconnect(packet: DisconnectPacket, session: Session): void {
    const { sessions, wills, sessionState } = this.#broker;
    const expiry = packet.properties?.sessionExpiryInterval;
    if (expiry !== undefined) {
      if (!session.persistent && expiry > 0) return this.refuse(REASON.protocolError, 'session expiry raised from 0');
      sessions.setExpiry(session, sessions.boundExpiry(readExpiry(expiry)));
    }
    // Every other code leaves the will to be published [MQTT-3.1.2-10].
    this.#goodbye = (packet.reasonCode ?? 0) === REASON.success;
    const { reasonCode: code = 0, properties } = packet;
    this.#ending = { reason: this.#goodbye ? 'disconnect' : 'disconnect-with-will', code, message: properties?.reasonString };
    // The close is the answer: whoever sees it can count on the will being gone.
    if (this.#goodbye && wills.remove(session.clientId)) sessionState.onDurable(() => this.connection.close());
    else this.connection.close();
  }

  #tellEnd(): void {
    this.tellDrops();
    const { packetsIn, packetsOut, bytesIn, bytesOut } = this.connection;
    const { reason, code, message } = this.#ending;
    this.#broker.events.tell('disconnected', this.names, {
      reason,
      code,
      message: message?.slice(0, LONGEST_REASON),
      connectedMs: this.#broker.nowMs() - this.connectedMs,
      packetsIn,
      packetsOut,
      bytesIn,
      bytesOut,
      sessionExpirySeconds: this.session?.expirySeconds,
    });
  }

  #tellReason(reasonCode: number, why: string): void {
    if (this.isAnswered) {
      if (this.version === 5) this.send({ cmd: 'disconnect', reasonCode, ...this.because(why, true) });
    } else if (this.version === 5) this.send({ cmd: 'connack', reasonCode, sessionPresent: false, ...this.because(why, true) });
    else if (reasonCode === REASON.unsupportedProtocolVersion)
      this.connection.send({ cmd: 'connack', returnCode: 1, sessionPresent: false });
  }
}
