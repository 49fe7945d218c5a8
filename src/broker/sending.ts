import type { QoS } from '../wire/event.ts';
import type { Broker } from './broker.ts';
import type { Client } from './client.ts';
import type { Message, SharedBytes } from './message.ts';
import type { Route } from './subscription.ts';

/** Aliases that we give out per connection, however many the client would take. */
const MAX_ALIASES = 256;
const ALIAS_BYTES = 3;

/** How a message goes out. */
export interface Dispatch {
  qos: 0 | 1 | 2;
  route: Route;
  retained: boolean;
  dup: boolean;
  packetId: number;
}

/** What one client is sent: encoded once for all where nothing differs, else for it alone. */
export class Sending {
  readonly #broker: Broker;
  readonly #client: Client;
  /** Longest packet that the client takes, MQTT 5 §3.1.2.11.4. */
  readonly maxPacketBytes: number;
  readonly #maxAliases: number;
  /** Alias of each topic, the longest unused first. */
  #aliases: Map<string, number> | undefined;

  constructor(broker: Broker, client: Client, takes: { maxPacketBytes?: number; topicAliases?: number }) {
    this.#broker = broker;
    this.#client = client;
    this.maxPacketBytes = takes.maxPacketBytes ?? Number.POSITIVE_INFINITY;
    this.#maxAliases = Math.min(takes.topicAliases ?? 0, MAX_ALIASES);
  }

  /** Whether the client takes a packet as large as this message would make, with a topic alias if need be. */
  takes(message: Message, qos: QoS, { retainAsPublished, ids }: Route): boolean {
    if (this.maxPacketBytes === Number.POSITIVE_INFINITY) return true;
    const expirySeconds = message.secondsLeft(this.#broker);
    const retain = retainAsPublished && message.retain;
    const { bytes } = message.encode(this.#client.version, qos, { retain, expirySeconds, subscriptionIds: ids });
    return bytes.length + (this.#maxAliases > 0 ? ALIAS_BYTES : 0) <= this.maxPacketBytes;
  }

  /** False when the client does not take packets of that size, or the message has expired on its way. */
  send(message: Message, dispatch: Dispatch): boolean {
    const { version } = this.#client;
    const { qos, route, retained, dup, packetId } = dispatch;
    const retain = retained || (route.retainAsPublished && message.retain);
    const left = message.secondsLeft(this.#broker);
    // What was sent before it expired goes on [MQTT-4.3.3-7].
    if (left !== undefined && left <= 0 && !dup) {
      this.#client.drop('expired');
      return qos === 0;
    }
    const expirySeconds = left === undefined ? undefined : Math.max(0, left);
    const plain = !retain && !dup && (version !== 5 || (!route.ids && expirySeconds === undefined && this.#maxAliases === 0));
    const { bytes, idOffset } = plain
      ? message.shared(version, qos)
      : this.#encode(message, qos, { retain, dup, expirySeconds, subscriptionIds: route.ids });
    if (bytes.length > this.maxPacketBytes) {
      this.#client.drop('packet-too-large');
      return false;
    }
    const { statistics } = this.#broker;
    statistics.messagesOut++;
    statistics.payloadBytesOut += message.payload.length;
    this.#client.connection.sendShared(bytes, idOffset, packetId);
    return true;
  }

  #encode(message: Message, qos: 0 | 1 | 2, options: Parameters<Message['encode']>[2]): SharedBytes {
    const { version } = this.#client;
    if (this.#maxAliases === 0) return message.encode(version, qos, options);
    const { topic } = message;
    this.#aliases ??= new Map();
    const aliases = this.#aliases;
    const known = aliases.get(topic);
    const isFull = aliases.size === this.#maxAliases;
    const [oldest] = isFull ? aliases : [];
    const alias = known ?? oldest?.[1] ?? aliases.size + 1;
    const encoded = message.encode(version, qos, { ...options, alias: { number: alias, known: known !== undefined } });
    if (encoded.bytes.length > this.maxPacketBytes) return encoded;
    aliases.delete(known === undefined && oldest ? oldest[0] : topic);
    aliases.set(topic, alias);
    return encoded;
  }
}
