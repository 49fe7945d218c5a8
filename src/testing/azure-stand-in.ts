import { createHmac, timingSafeEqual } from 'node:crypto';
import { applyPatch, type JsonObject } from '../client/channels/merge-patch.ts';
import { isObject } from '../core/objects.ts';
import type { ConnectPacket, PublishPacket } from '../mqtt/packet.ts';
import { type Caller, type Login, StandIn } from './stand-in.ts';

export interface AzureStandInOptions {
  host: string;
  /** Symmetric keys in base64, by device. */
  devices: Map<string, string>;
}

const REPORTED = /^\$iothub\/twin\/PATCH\/properties\/reported\/\?\$rid=([^&]+)$/;

/** Azure IoT Hub with the rules of "Communicate with an IoT hub using the MQTT protocol": SAS logins, its own topics, 256 KB, twins of 32 KB. */
export class AzureStandIn extends StandIn {
  /** Reported properties by device. */
  readonly twins = new Map<string, JsonObject>();

  constructor({ host, devices }: AzureStandInOptions) {
    super({
      login({ clientId, username = '', password, protocolVersion }: ConnectPacket): Login {
        if (protocolVersion !== 4) return { code: 1 };
        const key = devices.get(clientId);
        const [name, version = ''] = username.split('?api-version=');
        const isNamed = name === `${host}/${clientId}/` && /^\d{4}-\d\d-\d\d$/.test(version);
        const expiry = key === undefined ? undefined : expiryOf(String(password), `${host}/devices/${clientId}`, key);
        if (!isNamed || expiry === undefined || expiry * 1000 <= Date.now()) return { code: 5 };
        return { code: 0, untilMs: expiry * 1000 };
      },
      check({ topic, payload, qos }, { clientId }) {
        if (qos === 2) return 'QoS 2';
        const events = `devices/${clientId}/messages/events/`;
        if (topic.startsWith(events)) {
          const size = payload.length + topic.length - events.length;
          return size > 262_144 ? `${size} bytes on ${topic}` : undefined;
        }
        return REPORTED.test(topic) || topic.startsWith('$iothub/methods/res/') ? undefined : `the topic ${topic}`;
      },
      allows: (filter, { clientId }) =>
        [`devices/${clientId}/messages/devicebound/#`, '$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#'].includes(filter),
      onPublish: (packet, caller) => this.#report(packet, caller),
    });
  }

  #report({ topic, payload }: PublishPacket, { clientId }: Caller): void {
    const rid = REPORTED.exec(topic)?.[1];
    if (rid === undefined) return;
    const patch: unknown = JSON.parse(payload.toString());
    const after = applyPatch(this.twins.get(clientId), isObject(patch) ? patch : {});
    const status = isObject(patch) && Buffer.byteLength(JSON.stringify(after)) <= 32_768 ? 204 : 400;
    if (status === 204) this.twins.set(clientId, after);
    this.deliver(`$iothub/twin/res/${status}/?$rid=${rid}`, '');
  }
}

export async function startAzure(options: AzureStandInOptions): Promise<AzureStandIn> {
  return new AzureStandIn(options).listen();
}

/** Until when a signature counts, seconds since 1970; undefined when it is not good. */
function expiryOf(token: string, resource: string, key: string): number | undefined {
  const fields = new URLSearchParams(/^SharedAccessSignature (.+)$/.exec(token)?.[1] ?? '');
  const [sr, se, sig] = ['sr', 'se', 'sig'].map((name) => fields.get(name) ?? '');
  if (sr !== resource) return undefined;
  const good = createHmac('sha256', Buffer.from(key, 'base64'))
    .update(`${encodeURIComponent(resource)}\n${se}`)
    .digest();
  const given = Buffer.from(sig!, 'base64');
  return given.length === good.length && timingSafeEqual(given, good) ? Number(se) : undefined;
}
