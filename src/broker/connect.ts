import { createHexId } from '../core/id.ts';
import type { ConnackPacket, ConnectPacket } from '../mqtt/packet.ts';
import type { QoS } from '../wire/event.ts';
import { topicFault } from '../wire/topic.ts';
import type { Broker } from './broker.ts';
import type { Client } from './client.ts';
import { eventProps } from './message.ts';
import { REASON } from './reasons.ts';
import { Session } from './session.ts';
import type { Will } from './wills.ts';

/** CONNECT: who it is, which session it gets, and its will. The CONNACK waits until all of that is durable. */
export function connect(broker: Broker, client: Client, packet: ConnectPacket): void {
  const refusal = refuseConnect(packet);
  if (refusal) return refuse(client, refusal);
  const five = packet.protocolVersion === 5;
  const clean = packet.clean ?? true;
  const clientId = packet.clientId || `hydrant-${createHexId(8)}`;
  const wanted = five ? readExpiry(packet.properties?.sessionExpiryInterval) : clean ? 0 : Number.POSITIVE_INFINITY;
  const expirySeconds = broker.boundExpiry(wanted);

  client.connection.pauseReading();
  const before = broker.sessions.get(clientId);
  // A session that ends with its connection is never gone on with, not by a takeover either [MQTT-3.1.2-6].
  const present = before?.persistent === true && !clean && !broker.isExpired(before);
  broker.takeOver(clientId, client, present);
  if (before && !present) broker.endSession(before);
  const session = present ? before : createSession(broker, clientId, expirySeconds > 0);
  broker.setExpiry(session, expirySeconds);
  broker.sessions.set(clientId, session);

  client.session = session;
  client.receiveMaximum = packet.properties?.receiveMaximum ?? 65_535;
  client.maxPacketBytes = packet.properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
  const hadWill = broker.wills.remove(clientId);
  if (packet.will) broker.wills.set(clientId, readWill(packet, clientId));
  if (session.persistent) broker.sessionState.saveSession(session);

  const answer = (): void => {
    if (client.session !== session) return;
    client.connection.setKeepAlive(packet.keepalive ?? 0);
    client.connection.send(
      connack(packet, { present, clientId, wanted, expirySeconds, maxPacketBytes: broker.options.limits.packetBytes }),
    );
    session.resume(client);
    client.connection.resumeReading();
  };
  if (session.persistent || before?.persistent || packet.will || hadWill) broker.sessionState.onDurable(answer);
  else answer();
}

/** Seconds; 0xFFFFFFFF means that the session does not expire, MQTT 5 §3.1.2.11.2. */
export function readExpiry(seconds = 0): number {
  return seconds === 0xffff_ffff ? Number.POSITIVE_INFINITY : seconds;
}

function createSession(broker: Broker, clientId: string, persistent: boolean): Session {
  const names = { clientId, incarnation: createHexId(8), readFrom: broker.tailSeq + 1, persistent };
  return new Session(broker, names, broker.sessionState);
}

function refuseConnect(packet: ConnectPacket): { returnCode: number; reasonCode: number } | undefined {
  const { protocolVersion, clientId, will } = packet;
  const badId = { returnCode: 2, reasonCode: REASON.clientIdentifierNotValid };
  // 3.1 wants 1 to 23 characters; longer ones are taken as every other broker does. 3.1.1: [MQTT-3.1.3-8].
  if (clientId === '' && (protocolVersion === 3 || (protocolVersion === 4 && !packet.clean))) return badId;
  if (will && topicFault(will.topic)) return { returnCode: 3, reasonCode: REASON.topicNameInvalid };
  if (packet.properties?.authenticationMethod !== undefined) return { returnCode: 4, reasonCode: REASON.badAuthenticationMethod };
  return undefined;
}

function refuse(client: Client, { returnCode, reasonCode }: { returnCode: number; reasonCode: number }): void {
  client.connection.send(
    client.version === 5 ? { cmd: 'connack', reasonCode, sessionPresent: false } : { cmd: 'connack', returnCode, sessionPresent: false },
  );
  client.connection.close();
}

function readWill(packet: ConnectPacket, clientId: string): Will {
  const will = packet.will!;
  const properties = will.properties as (NonNullable<typeof will.properties> & { willDelayInterval?: number }) | undefined;
  return {
    event: {
      topic: will.topic,
      payload: Buffer.from(will.payload as Buffer),
      qos: will.qos as QoS,
      retain: will.retain ?? false,
      source: clientId,
      ...eventProps(properties as Parameters<typeof eventProps>[0], will.userProperties),
    },
    delaySeconds: properties?.willDelayInterval ?? 0,
  };
}

function connack(
  packet: ConnectPacket,
  answer: { present: boolean; clientId: string; wanted: number; expirySeconds: number; maxPacketBytes: number },
): ConnackPacket {
  const { present, clientId, wanted, expirySeconds, maxPacketBytes } = answer;
  if (packet.protocolVersion !== 5) return { cmd: 'connack', returnCode: 0, sessionPresent: present && packet.protocolVersion === 4 };
  const properties: NonNullable<ConnackPacket['properties']> = { sharedSubscriptionAvailable: false, maximumPacketSize: maxPacketBytes };
  if (packet.clientId === '') properties.assignedClientIdentifier = clientId;
  if (expirySeconds !== wanted) properties.sessionExpiryInterval = Math.min(expirySeconds, 0xffff_ffff);
  return { cmd: 'connack', reasonCode: 0, sessionPresent: present, properties };
}
