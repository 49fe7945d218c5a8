import { applyPatch, type JsonObject } from '../client/channels/merge-patch.ts';
import { isObject } from '../core/objects.ts';
import type { ConnectPacket, PublishPacket } from '../mqtt/packet.ts';
import { type Caller, type Login, StandIn } from './stand-in.ts';

export interface AwsStandInOptions {
  /** What the custom authorizer lets in. */
  authorizer: { name: string; username: string; password: string };
  /** Default 100. */
  messagesPerSecond?: number;
}

const SHADOW = /^\$aws\/things\/([^/]+)\/shadow(?:\/name\/[^/]+)?\/update$/;

/** AWS IoT Core with the rules of "AWS IoT Core endpoints and quotas", a custom authorizer, and the classic shadow. */
export class AwsStandIn extends StandIn {
  /** Reported state by thing. */
  readonly shadows = new Map<string, JsonObject>();

  constructor({ authorizer, messagesPerSecond = 100 }: AwsStandInOptions) {
    super({
      login({ clientId, username = '', password, protocolVersion }: ConnectPacket): Login {
        const [name, query = ''] = username.split('?');
        const wanted = new URLSearchParams(query).get('x-amz-customauthorizer-name');
        const isKnown = wanted === authorizer.name && name === authorizer.username && String(password) === authorizer.password;
        const refused = protocolVersion === 5 ? 0x87 : 5;
        const isAllowed = isKnown && clientId !== '' && !clientId.startsWith('$') && Buffer.byteLength(clientId) <= 128;
        return { code: isAllowed ? 0 : refused, properties: { receiveMaximum: 100, maximumQoS: 1 } };
      },
      check({ topic, payload, qos }, caller) {
        const slashes = topic.split('/').length - 1;
        if (qos === 2) return 'QoS 2';
        if (payload.length > 131_072) return `${payload.length} bytes on ${topic}`;
        if (Buffer.byteLength(topic) > 256) return `a topic of ${Buffer.byteLength(topic)} bytes`;
        if (slashes > (topic.startsWith('$aws/rules/') ? 10 : 7)) return `a topic with ${slashes} slashes`;
        if (topic.startsWith('$') && !topic.startsWith('$aws/rules/') && SHADOW.exec(topic)?.[1] !== caller.clientId)
          return `the topic ${topic}`;
        if (caller.unacknowledged > 100) return 'more than 100 unacknowledged';
        if (caller.rate.add(1) > messagesPerSecond) return `more than ${messagesPerSecond} messages in a second`;
        return undefined;
      },
      allows: (_filter, { filters }) => filters.size < 50,
      onPublish: (packet, caller) => this.#report(packet, caller),
    });
  }

  #report({ topic, payload }: PublishPacket, { clientId }: Caller): void {
    if (!SHADOW.test(topic)) return;
    const reported = readReported(payload.toString());
    const after = applyPatch(this.shadows.get(clientId), reported ?? {});
    const code = reported === undefined ? 400 : Buffer.byteLength(JSON.stringify(after)) > 8_192 ? 413 : 200;
    if (code === 200) this.shadows.set(clientId, after);
    this.deliver(`${topic}/${code === 200 ? 'accepted' : 'rejected'}`, JSON.stringify({ code }));
  }
}

export async function startAws(options: AwsStandInOptions): Promise<AwsStandIn> {
  return new AwsStandIn(options).listen();
}

function readReported(text: string): JsonObject | undefined {
  try {
    const { state } = JSON.parse(text) as { state?: { reported?: unknown } };
    return isObject(state?.reported) ? state.reported : undefined;
  } catch {
    return undefined;
  }
}
