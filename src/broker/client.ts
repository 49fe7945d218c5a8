import { HydrantError } from '../core/errors.ts';
import { Connection, type ConnectionHandler } from '../mqtt/connection.ts';
import type { PacketFault } from '../mqtt/fault.ts';
import type {
  AckPacket,
  ConnectPacket,
  DisconnectPacket,
  Packet,
  PublishPacket,
  SubscribePacket,
  UnsubscribePacket,
} from '../mqtt/packet.ts';
import type { Transport } from '../mqtt/transport.ts';
import { filterFault, topicFault } from '../wire/topic.ts';
import type { Broker } from './broker.ts';
import { connect, readExpiry } from './connect.ts';
import type { Delivery } from './delivery.ts';
import { eventProps, Message, type Publisher } from './message.ts';
import { REASON } from './reasons.ts';
import type { Session } from './session.ts';
import type { Sink } from './session-host.ts';
import { count } from './statistics.ts';
import type { Route, Subscription } from './subscription.ts';

/** Topics that only the server publishes to. */
const RESERVED = /^\$(?:SYS|hydrant|history|share)(?:\/|$)/;

/** One MQTT client on one connection: speaks the protocol, and is the sink of its session while it lasts. */
export class Client implements ConnectionHandler, Publisher, Sink {
  readonly connection: Connection;
  readonly #broker: Broker;
  session: Session | undefined;
  /** From CONNECT; 65 535 where the protocol has no such thing. */
  receiveMaximum = 65_535;
  /** Longest packet that this client takes, MQTT 5 §3.1.2.11.4. */
  maxPacketBytes = Number.POSITIVE_INFINITY;
  #goodbye = false;

  constructor(broker: Broker, transport: Transport) {
    this.#broker = broker;
    const { packetBytes, stalled, connectTimeout } = broker.options.limits;
    this.connection = new Connection(transport, {
      handler: this,
      maxPacketBytes: packetBytes,
      stalledMs: stalled,
      connectTimeoutMs: connectTimeout,
    });
  }

  get version(): 3 | 4 | 5 {
    return this.connection.version;
  }

  onPacket(packet: Packet): void {
    if (this.#goodbye) return;
    switch (packet.cmd) {
      case 'publish':
        return this.#publish(packet);
      case 'puback':
        this.session?.acknowledge(packet.messageId!);
        return;
      case 'pubrec':
        return this.#onPubrec(packet);
      case 'pubrel':
        return this.#onPubrel(packet);
      case 'pubcomp':
        this.session?.completed(packet.messageId!);
        return;
      case 'subscribe':
        return this.#subscribe(packet);
      case 'unsubscribe':
        return this.#unsubscribe(packet);
      case 'pingreq':
        return this.connection.send({ cmd: 'pingresp' });
      case 'connect':
        return connect(this.#broker, this, packet as ConnectPacket);
      case 'disconnect':
        return this.#onDisconnect(packet);
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
    this.#tellReason(fault.reasonCode);
  }

  onClose(): void {
    this.#broker.clients.delete(this);
    const session = this.session;
    this.session = undefined;
    if (session) this.#broker.disconnected(session, this.#goodbye);
  }

  onDrain(): void {
    this.session?.pump();
  }

  /** Closes the connection with a reason, which MQTT 5 clients are told. */
  refuse(reasonCode: number, why: string): void {
    count(this.#broker.statistics.faults, why.replaceAll(' ', '-'));
    this.#broker.log('warn', 'a client was refused and closed', {
      client: this.session?.clientId,
      remote: this.connection.remote,
      reason: why,
    });
    this.#tellReason(reasonCode);
    this.connection.close();
  }

  /** Another connection has taken this client's session [MQTT-3.1.4-2]. */
  leave(reasonCode: number): void {
    this.session = undefined;
    if (this.version === 5) this.connection.send({ cmd: 'disconnect', reasonCode });
    this.connection.close();
  }

  /** The server stops: the session stays as it is, and so does the will. */
  shutDown(): void {
    if (this.version === 5 && this.session) this.connection.send({ cmd: 'disconnect', reasonCode: REASON.serverShuttingDown });
    this.connection.close();
  }

  // Sink

  get window(): number {
    return Math.min(this.receiveMaximum, this.#broker.options.limits.inFlight);
  }

  get writable(): boolean {
    return this.connection.bufferedBytes < this.#broker.options.limits.queuedBytes;
  }

  deliverOnce(message: Message, route: Route, retained: boolean): void {
    if (!this.writable) {
      count(this.#broker.statistics.dropped, 'slow-reader');
      return;
    }
    this.#send(message, 0, route, retained, false, 0);
  }

  deliver(delivery: Delivery): void {
    const { message, qos, route, retained, dup, packetId } = delivery;
    if (this.#send(message!, qos, route, retained, dup, packetId)) return;
    // Too large for this client: as if it had been delivered [MQTT-3.1.2-25].
    queueMicrotask(() => (qos === 1 ? this.session?.acknowledge(packetId) : this.session?.completed(packetId)));
  }

  release(delivery: Delivery): void {
    this.connection.sendAck('pubrel', delivery.packetId);
  }

  // Publisher

  onDurable(message: Message): void {
    this.connection.sendAck('puback', message.packetId);
  }

  onLost(message: Message): void {
    this.#refusePublish(message.qos, message.packetId, 'journal-failed');
  }

  /** Of a QoS 2 publish: whoever has the session by then is answered, which after a takeover is another connection. */
  #exactlyOnce(session: Session, messageId: number): Publisher {
    return {
      onDurable: () => session.inbound.get(messageId)?.answer?.(),
      onLost: () => {
        session.inbound.delete(messageId);
        const client = session.sink instanceof Client ? session.sink : this;
        client.#refusePublish(2, messageId, 'journal-failed');
      },
    };
  }

  #publish(packet: PublishPacket): void {
    const session = this.session;
    if (!session) return;
    const { topic, payload, qos, retain, messageId = 0 } = packet;
    if (packet.properties?.topicAlias !== undefined) return this.refuse(REASON.topicAliasInvalid, 'topic alias not offered');
    if (topicFault(topic)) return this.refuse(REASON.topicNameInvalid, 'topic with wildcard');
    const inbound = qos === 2 ? session.inbound.get(messageId) : undefined;
    if (inbound) {
      // A repeat of what is outstanding: answered when the first one is durable, published once [MQTT-4.3.3-2].
      inbound.answer = () => this.connection.sendAck('pubrec', messageId);
      if (inbound.durable) inbound.answer();
      return;
    }
    if (topic.charCodeAt(0) === 36 && RESERVED.test(topic)) {
      count(this.#broker.statistics.refused, 'reserved-topic');
      if (qos > 0) this.#answerRefused(qos, messageId, REASON.topicNameInvalid);
      return;
    }
    const message = new Message({
      topic,
      payload: payload as Buffer,
      qos,
      retain,
      source: session.clientId,
      ...(packet.dup ? { dup: true } : {}),
    });
    if (packet.wire) message.reuse(this.version, packet.wire);
    if (packet.properties || packet.userProperties) Object.assign(message, eventProps(packet.properties, packet.userProperties));
    message.packetId = messageId;
    if (qos === 1) message.publisher = this;
    if (qos === 2) {
      message.publisher = this.#exactlyOnce(session, messageId);
      message.inbound = `${session.incarnation}:${messageId}`;
      session.inbound.set(messageId, { seq: 0, durable: false, answer: () => this.connection.sendAck('pubrec', messageId) });
    }
    try {
      this.#broker.publish(message);
    } catch (error) {
      if (!(error instanceof HydrantError)) throw error;
      if (qos === 2) session.inbound.delete(messageId);
      this.#refusePublish(qos, messageId, error.code === 'HYD_JOURNAL_FULL' ? 'journal-full' : 'journal-failed');
    }
    if (this.#broker.congested) this.#broker.holdBack(this.connection);
  }

  /** Nothing was acknowledged, so the client sends it again: MQTT 5 says when to stop, 3.x only by closing. */
  #refusePublish(qos: number, messageId: number, reason: string): void {
    if (qos === 0) {
      count(this.#broker.statistics.dropped, reason);
      return;
    }
    count(this.#broker.statistics.refused, reason);
    if (this.version === 5) this.#answerRefused(qos, messageId, REASON.quotaExceeded);
    else this.connection.close();
  }

  #answerRefused(qos: number, messageId: number, reasonCode: number): void {
    const cmd = qos === 1 ? 'puback' : 'pubrec';
    if (this.version === 5) this.connection.send({ cmd, messageId, reasonCode });
    else this.connection.sendAck(cmd, messageId);
  }

  #onPubrec(packet: AckPacket): void {
    const messageId = packet.messageId!;
    if ((packet.reasonCode ?? 0) >= 0x80) this.session?.completed(messageId);
    else if (!this.session?.received(messageId)) this.#answerUnknown('pubrel', messageId);
  }

  #onPubrel(packet: AckPacket): void {
    const messageId = packet.messageId!;
    const session = this.session;
    if (!session) return;
    if (!session.inbound.delete(messageId)) return this.#answerUnknown('pubcomp', messageId);
    if (!session.persistent) return this.connection.sendAck('pubcomp', messageId);
    this.#broker.sessionState.removeInbound(session.clientId, messageId);
    this.#broker.sessionState.onDurable(() => this.connection.sendAck('pubcomp', messageId));
  }

  #answerUnknown(cmd: 'pubrel' | 'pubcomp', messageId: number): void {
    if (this.version === 5) this.connection.send({ cmd, messageId, reasonCode: REASON.packetIdentifierNotFound });
    else this.connection.sendAck(cmd, messageId);
  }

  #subscribe(packet: SubscribePacket): void {
    const session = this.session;
    if (!session) return;
    const added: { subscription: Subscription; retainHandling: number; isNew: boolean }[] = [];
    const id = packet.properties?.subscriptionIdentifier;
    const granted = packet.subscriptions.map((wish) => {
      const refused = this.#filterRefusal(wish.topic);
      if (refused) return refused;
      const isNew = !session.subscriptions.has(wish.topic);
      const options = {
        qos: wish.qos,
        noLocal: wish.nl ?? false,
        retainAsPublished: wish.rap ?? false,
        ...(id === undefined ? {} : { id: Number(id) }),
      };
      const subscription = this.#broker.subscribe(session, wish.topic, options);
      if (!subscription) return this.version === 5 ? REASON.topicFilterInvalid : REASON.failure;
      added.push({ subscription, retainHandling: wish.rh ?? 0, isNew });
      return wish.qos;
    });
    this.#whenDurable(session, () => {
      this.connection.send({ cmd: 'suback', messageId: packet.messageId!, granted });
      for (const { subscription, retainHandling, isNew } of added) {
        if (retainHandling === 0 || (retainHandling === 1 && isNew)) this.#broker.sendRetained(session, subscription);
      }
    });
  }

  #filterRefusal(filter: string): number | undefined {
    if (filter.startsWith('$share/')) return this.version === 5 ? REASON.sharedSubscriptionsNotSupported : REASON.failure;
    return filterFault(filter) ? (this.version === 5 ? REASON.topicFilterInvalid : REASON.failure) : undefined;
  }

  #unsubscribe(packet: UnsubscribePacket): void {
    const session = this.session;
    if (!session) return;
    const granted = packet.unsubscriptions.map((name) => (this.#broker.unsubscribe(session, name) ? 0 : REASON.noSubscriptionExisted));
    this.#whenDurable(session, () => this.connection.send({ cmd: 'unsuback', messageId: packet.messageId!, granted }));
  }

  #onDisconnect(packet: DisconnectPacket): void {
    const expiry = packet.properties?.sessionExpiryInterval;
    if (this.session && expiry !== undefined) {
      if (!this.session.persistent && expiry > 0) return this.refuse(REASON.protocolError, 'session expiry raised from 0');
      this.#broker.setExpiry(this.session, this.#broker.boundExpiry(readExpiry(expiry)));
    }
    this.#goodbye = (packet.reasonCode ?? 0) !== REASON.disconnectWithWill;
    // The close is the answer: whoever sees it can count on the will being gone.
    if (this.session && this.#goodbye && this.#broker.wills.remove(this.session.clientId))
      this.#broker.sessionState.onDurable(() => this.connection.close());
    else this.connection.close();
  }

  /** False when the client does not take packets of that size. */
  #send(message: Message, qos: 0 | 1 | 2, route: Route, retained: boolean, dup: boolean, packetId: number): boolean {
    const version = this.version;
    const retain = retained || (route.retainAsPublished && message.retain);
    const plain = !retain && !dup && (version !== 5 || (!route.ids && message.props?.expiry === undefined));
    const expirySeconds = message.secondsLeft(this.#broker.nowMs());
    if (expirySeconds !== undefined && expirySeconds <= 0) {
      count(this.#broker.statistics.dropped, 'expired');
      return qos === 0;
    }
    const { bytes, idOffset } = plain
      ? message.shared(version, qos)
      : message.encode(version, qos, { retain, dup, expirySeconds, subscriptionIds: route.ids });
    if (bytes.length > this.maxPacketBytes) {
      count(this.#broker.statistics.dropped, 'packet-too-large');
      return false;
    }
    this.#broker.statistics.messagesOut++;
    this.connection.sendShared(bytes, idOffset, packetId);
    return true;
  }

  #whenDurable(session: Session, act: () => void): void {
    if (!session.persistent) return act();
    this.#broker.sessionState.onDurable(() => {
      if (this.session === session) act();
    });
  }

  #tellReason(reasonCode: number): void {
    if (this.session) {
      if (this.version === 5) this.connection.send({ cmd: 'disconnect', reasonCode });
    } else if (this.version === 5) this.connection.send({ cmd: 'connack', reasonCode, sessionPresent: false });
    else if (reasonCode === REASON.unsupportedProtocolVersion)
      this.connection.send({ cmd: 'connack', returnCode: 1, sessionPresent: false });
  }
}
