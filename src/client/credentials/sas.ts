import { createHmac } from 'node:crypto';
import { type Clock, systemClock } from '../../core/clock.ts';
import { HydrantError } from '../../core/errors.ts';
import { assertLife, assertOptions } from './assert-options.ts';
import { ClockSkew } from './clock-skew.ts';
import { type CredentialSource, createSource, Owners } from './credential-source.ts';

/** Of the service's page on MQTT; part of the user name. */
const API_VERSION = '2021-04-12';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$|^(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)$/;

export interface SasOptions {
  /** The hub's name, or its whole host name. */
  hub: string;
  device: string;
  /** The device's symmetric key, in base64 as the service shows it (`SharedAccessKey` of its connection string). */
  key: string;
  /** Name of the shared access policy that the key belongs to. Default: the key is the device's own. */
  policy?: string;
  /** Default 3 600, at most 86 400. The signature is renewed at 80 % of it. */
  lifeSeconds?: number;
}

/**
 * A shared access signature for Azure IoT Hub, made anew for each login.
 * @throws HYD_USAGE, HYD_CREDENTIALS when the key is not base64
 */
export function sas(options: SasOptions, { clock = systemClock }: { clock?: Clock } = {}): CredentialSource {
  assertOptions('sas()', options, ['hub', 'device', 'key', 'policy', 'lifeSeconds'], ['hub', 'device', 'key']);
  const { device, policy, lifeSeconds = 3600 } = options;
  assertLife(lifeSeconds);
  if (!BASE64.test(options.key)) {
    throw new HydrantError('HYD_CREDENTIALS', `the key of the device ${device} is not base64`, {
      fix: 'Copy SharedAccessKey of its connection string, whole.',
    });
  }
  const key = Buffer.from(options.key, 'base64');
  const host = options.hub.includes('.') ? options.hub : `${options.hub}.azure-devices.net`;
  const resource = encodeURIComponent(`${host}/devices/${encodeURIComponent(device)}`);
  const owners = new Owners();
  const skew = new ClockSkew(owners, clock);
  return createSource(async (request) => {
    const skewMs = skew.assume(request, lifeSeconds * 1000);
    const issuedAt = Math.floor((clock.now() + skewMs) / 1000);
    const expiry = issuedAt + lifeSeconds;
    const validFromMs = issuedAt * 1000 - skewMs;
    const signature = createHmac('sha256', key).update(`${resource}\n${expiry}`).digest('base64');
    const parts = [`sr=${resource}`, `sig=${encodeURIComponent(signature)}`, `se=${expiry}`];
    if (policy !== undefined) parts.push(`skn=${encodeURIComponent(policy)}`);
    return {
      username: `${host}/${device}/?api-version=${API_VERSION}`,
      password: `SharedAccessSignature ${parts.join('&')}`,
      validFromMs,
      validUntilMs: validFromMs + lifeSeconds * 1000,
      onAccepted: () => skew.accept(skewMs),
    };
  }, owners);
}
