import { errorText, HydrantError } from '../core/errors.ts';
import type { ClientEnd, ClientOptions } from './client-options.ts';
import { ConnectRefused } from './connect-refused.ts';
import { Connection } from './connection.ts';
import { parseUrl, plainUrl } from './dial.ts';
import type { Receiver, Sender } from './ends.ts';
import { Incoming } from './incoming.ts';
import { Outgoing } from './outgoing.ts';
import type { AuthPacket, ConnackPacket, Packet } from './packet.ts';
import { PacketIds } from './packet-ids.ts';
import { reasonText } from './reason.ts';
import { type Sweeper, type Swept, sharedSweeper } from './sweeper.ts';
import { tlsFix } from './tls-fix.ts';
import type { Transport } from './transport.ts';

const RE_AUTHENTICATE = 0x19;

/** What stands behind a Client: the connection, its two directions and its liveness. */
export class Link {
  readonly incoming: Incoming;
  readonly outgoing: Outgoing;
  readonly ended = Promise.withResolvers<ClientEnd>();
  readonly #connection: Connection;
  readonly #receiver: Receiver | undefined;
  readonly #sender: Sender | undefined;
  readonly #url: string;
  readonly #sweeper: Sweeper;
  readonly #swept: Swept = { sweep: (nowMs) => this.#sweep(nowMs) };
  readonly #connack = Promise.withResolvers<ConnackPacket>();
  readonly #pingTimeoutMs: number;
  readonly #method: string | undefined;
  #pings: PromiseWithResolvers<void>[] = [];
  #authenticating: PromiseWithResolvers<void> | undefined;
  #keepAliveMs = 0;
  #heardPackets = 0;
  #heardAtMs: number;
  /** Of the wall: when the last sweep was, and the one before the last packet. */
  #sweptMs = Date.now();
  #heardMs = this.#sweptMs;
  #sentPackets = 0;
  #sentAtMs: number;
  #pingedAtMs: number | undefined;
  #closing = false;
  #reasonCode: number | undefined;

  constructor(transport: Transport, options: ClientOptions) {
    const { version = 4, maxPacketBytes, sweeper = sharedSweeper, signal } = options;
    this.#url = plainUrl(options.url);
    this.#receiver = options.receiver;
    this.#sender = options.sender;
    this.#method = version === 5 ? options.authentication?.method : undefined;
    this.#sweeper = sweeper;
    this.#pingTimeoutMs = options.pingTimeoutMs ?? 10_000;
    this.#heardAtMs = this.#sentAtMs = sweeper.nowMs;
    this.#connection = new Connection(transport, {
      end: 'client',
      version,
      maxPacketBytes,
      sweeper,
      handler: {
        onPacket: (packet) => this.#onPacket(packet),
        onFault: (fault) => this.lose(`the server broke the protocol: ${fault.message}`, fault),
        onClose: (error) => this.#onClose(error),
        onDrain: () => (this.#sender ?? this.outgoing).onDrain(),
      },
    });
    this.incoming = new Incoming(this.#connection, options.maxQueuedBytes ?? 16_777_216);
    this.outgoing = new Outgoing(this.#connection, options.maxInFlight ?? 1000, options.sender?.ids ?? new PacketIds());
    this.#connack.promise.catch(() => {});
    const cut = (): void => this.lose('it was stopped', new HydrantError('HYD_ABORTED', `the connection to ${this.#url} was stopped`));
    signal?.addEventListener('abort', cut);
    void this.ended.promise.then(() => signal?.removeEventListener('abort', cut));
  }

  async connect(clientId: string, options: ClientOptions): Promise<ConnackPacket> {
    const { keepAliveSeconds = 60, clean = true, version = 4, will, sessionExpirySeconds, receiveMaximum } = options;
    const { username, password } = parseUrl(options.url);
    const { method, data } = options.authentication ?? {};
    const authentication = method === undefined ? {} : { authenticationMethod: method, authenticationData: Buffer.from(data!) };
    const secret = options.password ?? (password === '' ? undefined : decodeURIComponent(password));
    this.#connection.send({
      cmd: 'connect',
      clientId,
      clean,
      protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
      protocolVersion: version,
      keepalive: keepAliveSeconds,
      username: options.username ?? (username === '' ? undefined : decodeURIComponent(username)),
      password: secret === undefined ? undefined : Buffer.from(secret as string),
      will,
      properties: version === 5 ? { sessionExpiryInterval: sessionExpirySeconds, receiveMaximum, ...authentication } : undefined,
    });
    const connack = await this.#connack.promise;
    this.outgoing.window = Math.min(this.outgoing.window, connack.properties?.receiveMaximum ?? this.outgoing.window);
    this.#keepAliveMs = (connack.properties?.serverKeepAlive ?? keepAliveSeconds) * 1000;
    this.#sweeper.add(this.#swept);
    return connack;
  }

  ping(): Promise<void> {
    const ping = Promise.withResolvers<void>();
    if (this.#connection.open) {
      this.#pings.push(ping);
      this.#pingedAtMs ??= this.#sweeper.nowMs;
      this.#connection.send({ cmd: 'pingreq' });
    } else ping.reject(this.#lost('it is closed'));
    return ping.promise;
  }

  async reauthenticate(data: Uint8Array, timeoutMs: number): Promise<void> {
    if (this.#method === undefined)
      throw new HydrantError('HYD_USAGE', 'there is nothing to renew: CONNECT named no authentication method', {
        fix: 'Connect with MQTT 5 and `authentication`.',
      });
    if (!this.#connection.open) throw this.#lost('it is closed');
    this.#authenticating ??= Promise.withResolvers();
    const properties = { authenticationMethod: this.#method, authenticationData: Buffer.from(data) };
    this.#connection.send({ cmd: 'auth', reasonCode: RE_AUTHENTICATE, properties });
    const timer = setTimeout(() => this.lose(`no answer to AUTH within ${timeoutMs / 1000} s`), timeoutMs);
    await this.#authenticating.promise.finally(() => clearTimeout(timer));
  }

  async close(timeoutMs: number, sessionExpirySeconds?: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.outgoing.settled(), late]);
    clearTimeout(timer);
    if (this.#connection.open) this.#closing = true;
    const properties = sessionExpirySeconds === undefined ? undefined : { sessionExpiryInterval: sessionExpirySeconds };
    this.#connection.send({ cmd: 'disconnect', reasonCode: 0, properties });
    this.#connection.close();
    await this.ended.promise;
  }

  /** Cuts the connection. @param error what everything that waits is rejected with; default HYD_CONNECT saying `why` */
  lose(why: string, error?: unknown): void {
    this.#connection.destroy(error instanceof HydrantError && error.code !== 'HYD_PROTOCOL' ? error : this.#lost(why, error));
  }

  #onPacket(packet: Packet): void {
    switch (packet.cmd) {
      case 'publish':
        (this.#receiver ?? this.incoming).onPublish(packet);
        break;
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        (this.#sender ?? this.outgoing).onAck(packet);
        break;
      case 'pubrel':
        (this.#receiver ?? this.incoming).onRelease(packet.messageId ?? 0);
        break;
      case 'suback':
      case 'unsuback':
        this.outgoing.onAnswer(packet);
        break;
      case 'pingresp':
        this.#pingedAtMs = undefined;
        this.#pings.shift()?.resolve();
        break;
      case 'connack':
        this.#onConnack(packet);
        break;
      case 'auth':
        this.#onAuth(packet);
        break;
      case 'disconnect':
        this.#reasonCode = packet.reasonCode ?? 0;
        this.lose(`the server ended it: ${reasonText(this.#reasonCode)}`);
    }
  }

  #onConnack(packet: ConnackPacket): void {
    if ((packet.reasonCode ?? packet.returnCode ?? 0) !== 0) return this.lose('', new ConnectRefused(this.#url, packet));
    this.#receiver?.onOpen(this.#connection, packet);
    this.#sender?.onOpen(this.#connection, packet);
    this.#connack.resolve(packet);
  }

  #onAuth({ reasonCode = 0 }: AuthPacket): void {
    if (reasonCode !== 0) return this.lose('the server wants another round of authentication, which this client has not');
    this.#authenticating?.resolve();
    this.#authenticating = undefined;
  }

  #onClose(cause?: Error): void {
    this.#sweeper.delete(this.#swept);
    const lost = cause instanceof HydrantError ? cause : this.#lost(cause ? errorText(cause) : 'the server closed it', cause);
    this.#connack.reject(lost);
    this.outgoing.end(lost);
    this.#receiver?.onEnd();
    this.#sender?.onEnd();
    for (const ping of this.#pings) ping.reject(lost);
    this.#authenticating?.reject(lost);
    this.#pings = [];
    this.incoming.end(this.#closing ? undefined : lost);
    const heardMs = this.#connection.packetsIn === this.#heardPackets ? this.#heardMs : this.#sweptMs;
    this.ended.resolve(this.#closing ? {} : { error: lost, reasonCode: this.#reasonCode, hungUp: lost !== cause, heardMs });
  }

  #lost(why: string, cause?: unknown): HydrantError {
    return new HydrantError('HYD_CONNECT', `the connection to ${this.#url} is lost: ${why}`, { cause, fix: tlsFix(cause) });
  }

  /** Pings when either direction was quiet for most of the keep-alive; an unanswered ping is a half-open connection. */
  #sweep(nowMs: number): void {
    const { packetsIn, packetsOut } = this.#connection;
    if (packetsIn !== this.#heardPackets) {
      this.#heardPackets = packetsIn;
      this.#heardAtMs = nowMs;
      this.#heardMs = this.#sweptMs;
    }
    this.#sweptMs = Date.now();
    if (packetsOut !== this.#sentPackets) {
      this.#sentPackets = packetsOut;
      this.#sentAtMs = nowMs;
    }
    const { paused } = this.#connection;
    if (paused) {
      // Who does not listen hears no answer; the server wants to hear of us all the same.
      this.#heardAtMs = nowMs;
      if (this.#pingedAtMs !== undefined) this.#pingedAtMs = nowMs;
    } else if (this.#pingedAtMs !== undefined && nowMs - Math.max(this.#pingedAtMs, this.#heardAtMs) >= this.#pingTimeoutMs) {
      this.lose(`no answer to a ping within ${this.#pingTimeoutMs / 1000} s`);
      return;
    }
    const quietMs = nowMs - Math.min(this.#heardAtMs, this.#sentAtMs);
    if (this.#keepAliveMs > 0 && (paused || this.#pingedAtMs === undefined) && quietMs >= this.#keepAliveMs / 2) {
      this.ping().catch(() => {});
    }
  }
}
