import type { LoginRefusal } from '../access/access.ts';
import { createHexId } from '../core/id.ts';
import { eventProps } from '../mqtt/event-properties.ts';
import type { ConnackPacket, ConnectPacket } from '../mqtt/packet.ts';
import type { QoS } from '../wire/event.ts';
import { topicFault } from '../wire/topic.ts';
import { credentialsOf, TOKEN_METHOD } from './authentication.ts';
import type { Broker } from './broker.ts';
import type { Client } from './client.ts';
import { topicLevel } from './client-events.ts';
import { REASON, RETURN } from './reasons.ts';
import { isReserved } from './reserved-topics.ts';
import { Sending } from './sending.ts';
import type { Session } from './session.ts';
import type { Will } from './wills.ts';

/** A CONNECT that is not granted: return code of 3.x, reason code of 5, and why, for people and as a word to count by. */
type Refusal = [returnCode: number, reasonCode: number, why: string, reason: string];

/** Characters of a name that nobody has checked. */
const MAX_NAME = 100;

/** Client ids of roles on the bus and of `$share` groups. */
const OURS = /^\$(?:bus|share)\//;

const REFUSALS: Record<LoginRefusal, [returnCode: number, reasonCode: number]> = {
  'bad-credentials': [RETURN.badUserNameOrPassword, REASON.badUserNameOrPassword],
  'not-authorized': [RETURN.notAuthorized, REASON.notAuthorized],
  banned: [RETURN.notAuthorized, REASON.banned],
  'server-busy': [RETURN.serverUnavailable, REASON.serverBusy],
};

/** CONNECT: who it is, which session it gets, and its will. The CONNACK waits until all of that is durable. */
export async function connect(broker: Broker, client: Client, packet: ConnectPacket): Promise<void> {
  const { properties } = packet;
  broker.statistics.connectsTotal++;
  client.sending = new Sending(broker, client, {
    maxPacketBytes: properties?.maximumPacketSize,
    topicAliases: properties?.topicAliasMaximum,
  });
  client.receiveMaximum = properties?.receiveMaximum ?? 65_535;
  client.wantsReasons = properties?.requestProblemInformation !== false;
  client.authenticationMethod = properties?.authenticationMethod;
  client.connection.pauseReading();
  const clientId = packet.clientId || `hydrant-${createHexId(8)}`;
  const refusal = refuseConnect(packet) ?? (await admit(broker, client, packet, clientId));
  if (!client.connection.open) return;
  if (refusal) {
    const [returnCode, reasonCode, why, reason] = refusal;
    // Whom it said to be: nothing has shown that it is.
    const user = packet.username?.slice(0, MAX_NAME) || client.names.user;
    broker.refusals.note({ ...client.names, clientId, user }, reason, why);
    return client.refuseConnect(returnCode, reasonCode, why);
  }
  openSession(broker, client, packet, clientId);
}

/** Seconds; 0xFFFFFFFF means that the session does not expire, MQTT 5 §3.1.2.11.2. */
export function readExpiry(seconds = 0): number {
  return seconds === 0xffff_ffff ? Number.POSITIVE_INFINITY : seconds;
}

function refuseConnect({ protocolVersion, clientId, clean, will, properties }: ConnectPacket): Refusal | undefined {
  // 3.1 wants 1 to 23 characters; longer ones are taken as every other broker does. [MQTT3-3.1.3-8].
  if (clientId === '' && (protocolVersion === 3 || (protocolVersion === 4 && !clean)))
    return [RETURN.identifierRejected, REASON.clientIdentifierNotValid, 'a session that is kept needs a client identifier', 'client-id'];
  if (OURS.test(clientId))
    return [RETURN.identifierRejected, REASON.clientIdentifierNotValid, "this client identifier is one of the server's own", 'client-id'];
  if (will && (topicFault(will.topic) || isReserved(will.topic)))
    return [RETURN.serverUnavailable, REASON.topicNameInvalid, `the will cannot be published on ${will.topic}`, 'will'];
  const method = properties?.authenticationMethod;
  if (method !== undefined && method !== TOKEN_METHOD)
    return [
      RETURN.badUserNameOrPassword,
      REASON.badAuthenticationMethod,
      `the only authentication method is ${TOKEN_METHOD}`,
      'authentication-method',
    ];
  return undefined;
}

/** Undefined when the client may come in under this client id. */
async function admit(broker: Broker, client: Client, packet: ConnectPacket, clientId: string): Promise<Refusal | undefined> {
  const login = await broker.access.login(credentialsOf(client, packet, clientId));
  if ('refused' in login) return [...REFUSALS[login.refused], login.why, login.refused];
  const { identity } = login;
  const permissions = broker.access.permissions(identity, clientId);
  if (!broker.sessions.isFree(clientId, identity.user))
    return [RETURN.identifierRejected, REASON.clientIdentifierNotValid, 'this client identifier belongs to another user', 'client-id'];
  const { sessions } = broker.options.limits;
  if (sessions > 0 && broker.sessions.size >= sessions && !broker.sessions.get(clientId))
    return [RETURN.serverUnavailable, REASON.quotaExceeded, 'the server has as many sessions as it takes (limits.sessions)', 'sessions'];
  if (packet.will && !permissions.mayPublish(packet.will.topic))
    return [RETURN.notAuthorized, REASON.notAuthorized, `${identity.user} may not publish the will on ${packet.will.topic}`, 'will'];
  client.admit(clientId, identity, permissions);
  return undefined;
}

function openSession(broker: Broker, client: Client, packet: ConnectPacket, clientId: string): void {
  const { sessions, wills, sessionState } = broker;
  const clean = packet.clean ?? true;
  const wanted = packet.protocolVersion === 5 ? readExpiry(packet.properties?.sessionExpiryInterval) : clean ? 0 : Number.POSITIVE_INFINITY;
  const expirySeconds = sessions.boundExpiry(wanted);
  const before = sessions.get(clientId);
  // A session that ends with its connection is never gone on with, not by a takeover either [MQTT3-3.1.2-6].
  const present = before?.persistent === true && !clean && !sessions.isExpired(before);
  sessions.takeOver(clientId, client, present);
  if (before && !present) {
    // With its session the wait of a will ends too, MQTT 5 §3.1.2.5.
    wills.lose(clientId, 0);
    sessions.end(before);
    if (before.persistent) broker.events.tell('ended', client.names, { reason: 'clean-start' });
  }
  const session = present ? before : sessions.create({ clientId, user: client.identity.user, persistent: expirySeconds > 0 });
  session.user = client.identity.user;
  // Its time stops now, in the state too, and not when all this is durable.
  session.disconnectedMs = undefined;
  sessions.setExpiry(session, expirySeconds);
  client.session = session;
  const { receiveMaximum, topicAliases } = broker.options.limits;
  client.publishing.announced = { receiveMaximum, topicAliases };
  broker.applyPermissions(client);
  const hadWill = wills.remove(clientId);
  if (packet.will) wills.set(clientId, readWill(packet, clientId));
  if (session.persistent) sessionState.saveSession(session);
  broker.events.tell('connected', client.names, describe(client, packet, present));

  const answer = (): void => {
    if (client.session !== session) return;
    const keepAlive = boundKeepAlive(broker, packet);
    client.connection.setKeepAlive(keepAlive);
    client.isAnswered = true;
    client.send(connack(broker, client, packet, { session, present, wanted, keepAlive }));
    session.resume(client);
    client.connection.resumeReading();
  };
  if (session.persistent || before?.persistent || packet.will || hadWill) sessionState.onDurable(answer);
  else answer();
}

function describe(client: Client, packet: ConnectPacket, sessionPresent: boolean): Record<string, unknown> {
  const { keepalive } = packet;
  return {
    protocol: client.protocol,
    door: client.transport.kind,
    keepAliveSeconds: keepalive,
    sessionPresent,
    sessionExpirySeconds: client.session?.expirySeconds,
  };
}

/** Seconds. MQTT 5 clients can be told to ask less [MQTT-3.2.2-21]; 3.x clients keep what they asked for. */
function boundKeepAlive(broker: Broker, { keepalive = 0, protocolVersion }: ConnectPacket): number {
  const most = Math.floor(broker.options.limits.keepAlive / 1000);
  return protocolVersion === 5 && most > 0 && (keepalive === 0 || keepalive > most) ? most : keepalive;
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
  { options }: Broker,
  client: Client,
  packet: ConnectPacket,
  answer: { session: Session; present: boolean; wanted: number; keepAlive: number },
): ConnackPacket {
  const { session, present, wanted, keepAlive } = answer;
  if (packet.protocolVersion !== 5) return { cmd: 'connack', returnCode: 0, sessionPresent: present && packet.protocolVersion === 4 };
  const { receiveMaximum, topicAliases } = client.publishing.announced;
  const properties: NonNullable<ConnackPacket['properties']> = { maximumPacketSize: options.limits.packetBytes };
  if (receiveMaximum < 65_535) properties.receiveMaximum = receiveMaximum;
  if (topicAliases > 0) properties.topicAliasMaximum = topicAliases;
  if (packet.clientId === '') properties.assignedClientIdentifier = session.clientId;
  if (session.expirySeconds !== wanted) properties.sessionExpiryInterval = Math.min(session.expirySeconds, 0xffff_ffff);
  if (keepAlive !== packet.keepalive) properties.serverKeepAlive = keepAlive;
  if (client.authenticationMethod !== undefined) properties.authenticationMethod = client.authenticationMethod;
  const replies = `reply/${topicLevel(session.clientId)}`;
  if (packet.properties?.requestResponseInformation && client.permissions.subscription(`${replies}/#`))
    properties.responseInformation = replies;
  return { cmd: 'connack', reasonCode: 0, sessionPresent: present, properties };
}
