import type { Connection } from '../mqtt/connection.ts';
import type { ConnectPacket, Packet, PublishPacket } from '../mqtt/packet.ts';
import { within } from './deadline.ts';
import { type ScriptedServer, startScriptedServer } from './scripted-server.ts';

const LIMIT_MS = 20_000;

export interface SessionScript {
  /** Whether a session is there, by the number of the connection, the first being 0. Default: never. */
  present?: (connect: ConnectPacket, number: number) => boolean;
  /** Answers a packet itself and says so; otherwise CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ and DISCONNECT are answered with success. */
  answer?: (packet: Packet, connection: Connection) => boolean;
}

/** A server that plays the broker's side of a session, packet by packet. */
export interface ScriptedSession extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly url: string;
  /** Everything received but PINGREQ, in short: `connect`, `subscribe a b`, `puback 1`, `pubcomp 2 0x92`, … */
  readonly seen: string[];
  /** Connections taken. */
  readonly connects: number;
  /** Sends a PUBLISH to the newest connection. */
  publish(messageId: number, payload: string, options?: Partial<PublishPacket>): void;
  release(messageId: number): void;
  /** Closes the newest connection without a word. */
  hangUp(): void;
  /** Resolves when so many entries of `seen` are there. */
  until(match: string | ((seen: readonly string[]) => boolean), what?: string): Promise<void>;
}

export async function startScriptedSession({ present = () => false, answer }: SessionScript = {}): Promise<ScriptedSession> {
  const seen: string[] = [];
  const watchers = new Set<() => void>();
  let connects = 0;
  const server = await startScriptedServer((packet, connection) => {
    if (packet.cmd !== 'pingreq') seen.push(shortly(packet));
    if (!answer?.(packet, connection)) reply(packet, connection);
    if (packet.cmd === 'connect') connects++;
    for (const watch of watchers) watch();
  });

  function reply(packet: Packet, connection: Connection): void {
    if (packet.cmd === 'connect')
      connection.send({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: present(packet, connects) });
    else if (packet.cmd === 'subscribe')
      connection.send({ cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(() => 2) });
    else if (packet.cmd === 'unsubscribe')
      connection.send({ cmd: 'unsuback', messageId: packet.messageId, granted: packet.unsubscriptions.map(() => 0) });
    else if (packet.cmd === 'pingreq') connection.send({ cmd: 'pingresp' });
    else if (packet.cmd === 'disconnect') connection.close();
  }

  return {
    server,
    url: server.url,
    seen,
    get connects() {
      return connects;
    },
    publish(messageId, payload, options = {}) {
      const packet = { cmd: 'publish', topic: 'a', qos: 2, retain: false, dup: false, ...options } as const;
      server.connection.send({ ...packet, payload: Buffer.from(payload), messageId });
    },
    release: (messageId) => server.connection.sendAck('pubrel', messageId),
    hangUp: () => server.connection.close(),
    async until(match, what = String(match)) {
      const done = Promise.withResolvers<void>();
      const look = (): void => {
        if (typeof match === 'string' ? seen.includes(match) : match(seen)) done.resolve();
      };
      watchers.add(look);
      look();
      await within(done.promise, LIMIT_MS, () => `${what}; seen: ${seen.join(', ')}`);
      watchers.delete(look);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function shortly(packet: Packet): string {
  switch (packet.cmd) {
    case 'publish':
      return `publish ${packet.messageId ?? 0} ${packet.payload.toString()}${packet.dup ? ' dup' : ''}`;
    case 'subscribe':
      return `subscribe ${packet.subscriptions.map(({ topic }) => topic).join(' ')}`;
    case 'unsubscribe':
      return `unsubscribe ${packet.unsubscriptions.join(' ')}`;
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return `${packet.cmd} ${packet.messageId}${packet.reasonCode ? ` 0x${packet.reasonCode.toString(16)}` : ''}`;
    default:
      return packet.cmd;
  }
}
