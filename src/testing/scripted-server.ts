import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Connection } from '../mqtt/connection.ts';
import type { PacketFault } from '../mqtt/fault.ts';
import type { Packet } from '../mqtt/packet.ts';
import { tcpTransport } from '../mqtt/transport.ts';

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly packets: Packet[];
  readonly faults: PacketFault[];
  /** The newest connection. */
  readonly connection: Connection;
  readonly socket: Socket;
}

/** An MQTT server that answers exactly what a test tells it to, one call per packet received. */
export async function startScriptedServer(answer: (packet: Packet, connection: Connection) => void): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  const packets: Packet[] = [];
  const faults: PacketFault[] = [];
  let newest: { connection: Connection; socket: Socket } | undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    const connection: Connection = new Connection(tcpTransport(socket), {
      handler: {
        onPacket(packet) {
          packets.push(packet);
          answer(packet, connection);
        },
        onFault: (fault) => void faults.push(fault),
        onClose: () => void sockets.delete(socket),
        onDrain() {},
      },
    });
    newest = { connection, socket };
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    packets,
    faults,
    get connection() {
      return newest!.connection;
    },
    get socket() {
      return newest!.socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
