import { isUtf8 } from 'node:buffer';
import { HydrantError } from '../core/errors.ts';
import { eventProps } from '../mqtt/event-properties.ts';
import type { AckPacket, PublishPacket } from '../mqtt/packet.ts';
import { hasMoreLevels, topicFault } from '../wire/topic.ts';
import type { Broker } from './broker.ts';
import { Client } from './client.ts';
import { Message, type Publisher } from './message.ts';
import { Rate } from './rate.ts';
import { REASON } from './reasons.ts';
import { isReserved } from './reserved-topics.ts';
import type { Session } from './session.ts';
import { count } from './statistics.ts';

/** What one client publishes: checked, into the journal, and acknowledged once it is durable. */
export class Publishing implements Publisher {
  readonly #broker: Broker;
  readonly #client: Client;
  /** What the CONNACK said; a reload changes it for those who come later. */
  announced = { receiveMaximum: 65_535, topicAliases: 0 };
  /** QoS 1 publishes that are not answered yet. QoS 2 ones are the session's `inbound`. */
  #unanswered = 0;
  /** Topics by alias, MQTT 5 §3.3.2.3.4; they live as long as the connection. */
  #aliases: Map<number, string> | undefined;
  #rate: Rate | undefined;

  constructor(broker: Broker, client: Client) {
    this.#broker = broker;
    this.#client = client;
  }

  onPublish(packet: PublishPacket, session: Session): void {
    const { payload, qos, messageId = 0 } = packet;
    const topic = this.#readTopic(packet);
    if (topic === undefined) return;
    if (this.#broker.options.limits.publishRate > 0) this.#slowDown(this.#broker.options.limits.publishRate);
    const inbound = qos === 2 ? session.inbound.get(messageId) : undefined;
    if (inbound) {
      // A repeat of what is outstanding: answered when the first one is durable, published once [MQTT-4.3.3-10].
      inbound.answer = () => this.#client.connection.sendAck('pubrec', messageId);
      if (inbound.durable) inbound.answer();
      return;
    }
    if (qos > 0 && this.#client.version === 5 && this.#unanswered + session.inbound.size >= this.announced.receiveMaximum)
      return this.#client.refuse(REASON.receiveMaximumExceeded, 'receive maximum exceeded');
    if (this.#isRefused(packet, topic)) return;
    const message = new Message({
      topic,
      payload: payload as Buffer,
      qos,
      retain: packet.retain && !this.#broker.isRetainedFull(topic, packet.payload as Buffer),
      source: session.clientId,
      ...(packet.dup ? { dup: true } : {}),
    });
    if (packet.wire) message.reuse(this.#client.version, packet.wire);
    if (packet.properties || packet.userProperties) Object.assign(message, eventProps(packet.properties, packet.userProperties));
    message.packetId = messageId;
    if (qos === 1) {
      message.publisher = this;
      this.#unanswered++;
    }
    if (qos === 2) {
      message.publisher = this.#exactlyOnce(session, messageId);
      message.inbound = `${session.incarnation}:${messageId}`;
      session.inbound.set(messageId, { seq: 0, durable: false, answer: () => this.#client.connection.sendAck('pubrec', messageId) });
    }
    try {
      this.#broker.publish(message);
    } catch (error) {
      if (!(error instanceof HydrantError)) throw error;
      if (qos === 2) session.inbound.delete(messageId);
      this.#giveBack(qos, messageId, error.code === 'HYD_JOURNAL_FULL' ? 'journal-full' : 'journal-failed');
    }
    if (this.#broker.tail.congested) this.#broker.tail.holdBack(this.#client.connection);
  }

  onPubrel(packet: AckPacket, session: Session): void {
    const messageId = packet.messageId!;
    if (!session.inbound.delete(messageId)) return this.#client.answerUnknown('pubcomp', messageId);
    if (!session.persistent) return this.#client.connection.sendAck('pubcomp', messageId);
    this.#broker.sessionState.removeInbound(session.clientId, messageId);
    this.#broker.sessionState.onDurable(() => this.#client.connection.sendAck('pubcomp', messageId));
  }

  // Publisher, of QoS 1

  onDurable(message: Message): void {
    this.#unanswered--;
    this.#client.connection.sendAck('puback', message.packetId);
  }

  onLost(message: Message): void {
    this.#giveBack(message.qos, message.packetId, 'journal-failed');
  }

  /** Of a QoS 2 publish: whoever has the session by then is answered, which after a takeover is another connection. */
  #exactlyOnce(session: Session, messageId: number): Publisher {
    return {
      onDurable: () => session.inbound.get(messageId)?.answer?.(),
      onLost: () => {
        session.inbound.delete(messageId);
        const client = session.sink instanceof Client ? session.sink : this.#client;
        client.publishing.#giveBack(2, messageId, 'journal-failed');
      },
    };
  }

  /** Undefined when the connection was closed over it. */
  #readTopic({ topic, properties }: PublishPacket): string | undefined {
    const alias = properties?.topicAlias;
    if (topic !== '' && topicFault(topic)) {
      this.#client.refuse(REASON.topicNameInvalid, 'topic with wildcard');
      return undefined;
    }
    if (alias === undefined) return topic;
    if (alias > this.announced.topicAliases) {
      this.#client.refuse(REASON.topicAliasInvalid, 'topic alias above the maximum');
      return undefined;
    }
    if (topic !== '') {
      this.#aliases ??= new Map();
      this.#aliases.set(alias, topic);
      return topic;
    }
    const known = this.#aliases?.get(alias);
    if (known === undefined) this.#client.refuse(REASON.protocolError, 'topic alias without a topic');
    return known;
  }

  #isRefused(packet: PublishPacket, topic: string): boolean {
    const { permissions } = this.#client;
    const { topicLevels } = this.#broker.options.limits;
    const isOurs = topic.charCodeAt(0) === 36 && isReserved(topic);
    if (isOurs) this.#refuse(packet, topic, 'reserved-topic', REASON.topicNameInvalid, 'only the server publishes to this topic');
    else if (!permissions.mayPublish(topic)) this.#refuseAccess(packet, topic);
    else if (hasMoreLevels(topic, topicLevels))
      this.#refuse(packet, topic, 'topic-levels', REASON.topicNameInvalid, `more than ${topicLevels} levels (limits.topicLevels)`);
    else if (packet.properties?.payloadFormatIndicator && !isUtf8(packet.payload as Buffer))
      this.#refuse(packet, topic, 'payload-format', REASON.payloadFormatInvalid, 'the payload is said to be UTF-8 and is not');
    else if (packet.retain && this.#broker.isRetainedFull(topic, packet.payload as Buffer)) return this.#isRetainedRefused(packet, topic);
    else return false;
    return true;
  }

  /** MQTT 3.x has no word for it: there the event is taken as one that is not retained, so that it is not lost. */
  #isRetainedRefused(packet: PublishPacket, topic: string): boolean {
    const why = 'no more retained messages are kept (limits.retained)';
    const isRefused = this.#client.version === 5;
    if (isRefused) this.#refuse(packet, topic, 'retained-full', REASON.quotaExceeded, why);
    else this.#broker.refusals.note(this.#client.names, 'retained-full', topic);
    return isRefused;
  }

  /** What comes too fast is read later: nothing is lost, and nobody else waits. */
  #slowDown(perSecond: number): void {
    const nowMs = performance.now();
    this.#rate ??= new Rate(perSecond, nowMs);
    const waitMs = this.#rate.take(perSecond, perSecond, nowMs);
    if (waitMs === 0) return;
    const { connection } = this.#client;
    connection.pauseReading();
    setTimeout(() => connection.resumeReading(), waitMs);
  }

  #refuseAccess(packet: PublishPacket, topic: string): void {
    const { version, connection, names, identity } = this.#client;
    if (version === 5 || this.#broker.access.refusedPublish === 'drop')
      return this.#refuse(packet, topic, 'not-allowed', REASON.notAuthorized, `${identity.user} may not publish here`);
    this.#broker.refusals.note(names, 'not-allowed', topic);
    connection.close();
  }

  /** For good: the client is told where its protocol can tell it, and does not send it again. */
  #refuse({ qos, messageId = 0 }: PublishPacket, topic: string, reason: string, reasonCode: number, why: string): void {
    this.#broker.refusals.note(this.#client.names, reason, topic);
    if (qos > 0) this.#answer(qos, messageId, reasonCode, why);
  }

  /** Nothing was acknowledged, so the client sends it again: MQTT 5 says when to stop, 3.x only by closing. */
  #giveBack(qos: number, messageId: number, reason: string): void {
    if (qos === 0) {
      count(this.#broker.statistics.dropped, reason);
      return;
    }
    if (qos === 1) this.#unanswered--;
    count(this.#broker.statistics.refused, reason);
    if (this.#client.version === 5) this.#answer(qos, messageId, REASON.quotaExceeded, 'the disk is full or failing');
    else this.#client.connection.close();
  }

  #answer(qos: number, messageId: number, reasonCode: number, why: string): void {
    const cmd = qos === 1 ? 'puback' : 'pubrec';
    if (this.#client.version === 5) this.#client.send({ cmd, messageId, reasonCode, ...this.#client.because(why) });
    else this.#client.connection.sendAck(cmd, messageId);
  }
}
