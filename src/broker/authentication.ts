import type { Credentials } from '../access/access.ts';
import type { AuthPacket, ConnectPacket } from '../mqtt/packet.ts';
import type { Broker } from './broker.ts';
import type { Client } from './client.ts';
import { REASON } from './reasons.ts';

/** The one authentication method: a JSON Web Token as Authentication Data, renewed by AUTH before it ends. MQTT 5 §4.12. */
export const TOKEN_METHOD = 'JWT';

/** What a CONNECT shows; one over a websocket that shows nothing goes by what the request for the websocket showed. */
export function credentialsOf(client: Client, packet: ConnectPacket, clientId: string): Credentials {
  const { authenticationMethod, authenticationData } = packet.properties ?? {};
  const password = authenticationMethod === undefined ? packet.password : authenticationData;
  if (packet.username === undefined && password === undefined) return { ...whence(client, clientId), ...client.transport.shown };
  return {
    ...whence(client, clientId),
    ...(packet.username === undefined ? {} : { username: packet.username }),
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
  };
}

/** AUTH: a new token for a connection that goes on [MQTT-4.12.1-1]. Whoever it names must be who the client was. */
export async function renewToken(broker: Broker, client: Client, packet: AuthPacket): Promise<void> {
  const { authenticationMethod: method } = client;
  const { authenticationMethod, authenticationData } = packet.properties ?? {};
  if (method === undefined || packet.reasonCode !== REASON.reAuthenticate)
    return client.refuse(REASON.protocolError, 'AUTH without an authentication method');
  if (authenticationMethod !== method) return client.refuse(REASON.protocolError, 'another authentication method');
  const { clientId, user } = client.names;
  client.connection.pauseReading();
  const password = Buffer.from(authenticationData ?? '');
  const login = await broker.access.login({ ...whence(client, clientId), password });
  if (!client.session) return;
  if ('refused' in login) return client.refuse(REASON.notAuthorized, login.why);
  if (login.identity.user !== user) return client.refuse(REASON.notAuthorized, 'the token names another user');
  client.identity = login.identity;
  client.permissions = broker.access.permissions(login.identity, clientId);
  broker.applyPermissions(client);
  client.send({ cmd: 'auth', reasonCode: REASON.success, properties: { authenticationMethod: method } });
  client.connection.resumeReading();
}

function whence({ transport }: Client, clientId: string): Pick<Credentials, 'door' | 'address' | 'clientId' | 'certificateName'> {
  const { certificate } = transport;
  return {
    door: transport.kind,
    address: transport.address,
    clientId,
    ...(certificate ? { certificateName: certificate.name } : {}),
  };
}
