import type { KeyObject } from 'node:crypto';
import { jwtVerify } from 'jose';
import type { ConnectPacket } from '../mqtt/packet.ts';
import { type Caller, type Login, Rate, StandIn } from './stand-in.ts';

export interface ClearbladeStandInOptions {
  project: string;
  /** Public keys by client id. */
  devices: Map<string, KeyObject>;
  /** How far clocks may be apart. Default 600. */
  skewSeconds?: number;
  /** Default 100. */
  messagesPerSecond?: number;
}

const DAY_SECONDS = 86_400;

/**
 * ClearBlade IoT Core with the rules of its documents: MQTT 3.1.1, known client ids, a JWT of the device's key for the project that lives a day
 * at most, its own topics, QoS 0 and 1, no will, nothing retained, 64 KB of state once a second, events of 256 KB, 100 messages and 512 KB a second.
 */
export function startClearblade(options: ClearbladeStandInOptions): Promise<StandIn> {
  const { project, devices, skewSeconds = 600, messagesPerSecond = 100 } = options;
  const bytes = new Map<string, Rate>();
  const states = new Map<string, Rate>();
  const rateOf = (rates: Map<string, Rate>, { clientId }: Caller): Rate => {
    const rate = rates.get(clientId) ?? new Rate();
    rates.set(clientId, rate);
    return rate;
  };

  async function login({ clientId, password, protocolVersion, will }: ConnectPacket): Promise<Login | string> {
    if (will) return 'a will';
    if (protocolVersion !== 4) return { code: 1 };
    const key = devices.get(clientId);
    if (!key) return { code: 2 };
    try {
      const { payload } = await jwtVerify(String(password), key, {
        audience: project,
        algorithms: ['RS256', 'ES256'],
        clockTolerance: skewSeconds,
        requiredClaims: ['iat', 'exp', 'aud'],
      });
      const { iat = 0, exp = 0 } = payload;
      if (exp - iat > DAY_SECONDS || iat > Date.now() / 1000 + skewSeconds) return { code: 4 };
      return { code: 0, untilMs: (exp + skewSeconds) * 1000 };
    } catch {
      return { code: 4 };
    }
  }

  const device = ({ clientId }: Caller): string => `/devices/${clientId.split('/').at(-1)}`;
  return new StandIn({
    login,
    check({ topic, payload, qos, retain }, caller) {
      const base = device(caller);
      const isState = topic === `${base}/state`;
      if (qos === 2) return 'QoS 2';
      if (retain) return 'retain';
      if (!isState && topic !== `${base}/events` && !topic.startsWith(`${base}/events/`)) return `the topic ${topic}`;
      if (payload.length > (isState ? 65_536 : 262_144)) return `${payload.length} bytes on ${topic}`;
      if (isState && rateOf(states, caller).add(1) > 1) return 'two states within a second';
      if (caller.rate.add(1) > messagesPerSecond) return `more than ${messagesPerSecond} messages in a second`;
      if (rateOf(bytes, caller).add(payload.length) > 524_288) return 'more than 512 KB in a second';
      return undefined;
    },
    allows: (filter, caller) => [`${device(caller)}/config`, `${device(caller)}/commands/#`, `${device(caller)}/errors`].includes(filter),
  }).listen();
}
