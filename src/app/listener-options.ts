import { z } from 'zod';
import type { Door } from '../access/access.ts';
import { filePath } from '../core/option-types.ts';

const place = (port: number, what: string) => ({
  host: z.string().min(1).default('127.0.0.1').describe(`Address to bind for ${what}. Beyond loopback see listeners.allowAnonymousRemote.`),
  port: z.int().min(0).max(65_535).default(port).describe(`Port for ${what}; 0 picks a free one, which the ready line names.`),
});

const door = (enabled: boolean, port: number, what: string, note = '') =>
  z.strictObject({ enabled: z.boolean().default(enabled).describe(`Accept ${what}.${note}`), ...place(port, what) }).prefault({});

const tlsDoor = (port: number, what: string) =>
  z
    .strictObject({
      enabled: z.boolean().optional().describe(`Accept ${what}. Default: when tls.cert and tls.key are given.`),
      ...place(port, what),
    })
    .prefault({});

/** Where clients come in. A section of the configuration. */
export const listenerOptions = z.strictObject({
  mqtt: door(true, 1883, 'MQTT over TCP'),
  mqtts: tlsDoor(8883, 'MQTT over TLS'),
  http: door(true, 8080, 'HTTP, event streams and MQTT over websockets'),
  https: tlsDoor(8443, 'HTTPS, event streams and MQTT over secure websockets'),
  ws: door(false, 8083, 'MQTT over websockets on a port without the HTTP API', ' The HTTP port takes websockets too.'),
  wss: door(false, 8084, 'MQTT over secure websockets on a port without the HTTP API', ' The HTTPS port takes them too.'),
  allowAnonymousRemote: z
    .boolean()
    .default(false)
    .describe('Bind beyond loopback although anybody who reaches the port may then publish and read everything.'),
});

/** What the doors with TLS show and ask for. A section of the configuration. */
export const tlsOptions = z.strictObject({
  cert: filePath()
    .optional()
    .describe('PEM file with the server certificate, then those between it and its authority. With tls.key it opens mqtts and https.'),
  key: filePath().optional().describe('PEM file with the private key of the server certificate, without a passphrase.'),
  ca: filePath().optional().describe('PEM file with the authorities that sign client certificates.'),
  clientCertificates: z
    .enum(['none', 'optional', 'required'])
    .default('none')
    .describe(
      'Ask clients for a certificate signed by tls.ca. optional: one that is missing or not good counts for nothing; required: the connection is refused.',
    ),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('Oldest version of TLS that is spoken.'),
});

interface Doors {
  listeners: z.output<typeof listenerOptions>;
  tls: z.output<typeof tlsOptions>;
}

/** A door that the configuration opens. */
export interface OpenDoor {
  name: Door;
  host: string;
  port: number;
}

const NAMES: readonly Door[] = ['mqtt', 'mqtts', 'ws', 'wss', 'http', 'https'];

/** The doors that a configuration opens, in the order in which they are named to people. */
export function openDoors({ listeners, tls }: Doors): OpenDoor[] {
  const hasCertificate = tls.cert !== undefined && tls.key !== undefined;
  return NAMES.filter((name) => listeners[name].enabled ?? hasCertificate).map((name) => {
    const { host, port } = listeners[name];
    return { name, host, port };
  });
}

export function isTlsDoor({ name }: Pick<OpenDoor, 'name'>): boolean {
  return name === 'mqtts' || name === 'wss' || name === 'https';
}
