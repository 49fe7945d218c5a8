import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { HydrantError } from '../../core/errors.ts';
import { type CertificateFiles, createTestAuthority, type TestAuthority } from '../../testing/certificates.ts';
import { DeliveryLog } from '../../testing/delivery-log.ts';
import { freePort, type Mosquitto, startMosquitto } from '../../testing/mosquitto.ts';
import { type MqttBusOptions, openMqttBus } from './mqtt-bus.ts';

let authority: TestAuthority;
let server: Mosquitto;
let client: CertificateFiles;
let ports: { mqtts: number; wss: number; certified: number };

before(async () => {
  authority = await createTestAuthority();
  const { cert, key } = await authority.server();
  client = await authority.client('archiver');
  ports = { mqtts: await freePort(), wss: await freePort(), certified: await freePort() };
  const tls = [`cafile ${authority.ca}`, `certfile ${cert}`, `keyfile ${key}`];
  const config = [
    ...[`listener ${ports.mqtts} 127.0.0.1`, ...tls],
    ...[`listener ${ports.wss} 127.0.0.1`, 'protocol websockets', ...tls],
    ...[`listener ${ports.certified} 127.0.0.1`, ...tls, 'require_certificate true'],
  ];
  server = await startMosquitto({ ws: true, config });
});
after(async () => {
  await server?.stop();
  await authority?.[Symbol.asyncDispose]();
});

async function exchange(options: MqttBusOptions): Promise<void> {
  await using bus = await openMqttBus(options);
  const log = new DeliveryLog(await bus.subscribe(['a']));
  await bus.publish({ topic: 'a', payload: Buffer.from('through'), qos: 2, retain: false });
  await log.until(1);
  assert.deepEqual(log.payloads, ['through']);
}

const fails = (code: string, text: RegExp) => (error: HydrantError) => error.code === code && text.test(error.message) && error.fix !== '';

test('mqtt, ws, mqtts and wss all carry a bus, with the authority given or none asked for', async () => {
  const ca = await readFile(authority.ca);
  await exchange({ urls: [server.url] });
  await exchange({ urls: [`ws://127.0.0.1:${server.wsPort}/mqtt`] });
  await exchange({ urls: [`mqtts://localhost:${ports.mqtts}`], tls: { ca } });
  await exchange({ urls: [`wss://localhost:${ports.wss}/mqtt`], tls: { ca } });
  await exchange({ urls: [`mqtts://localhost:${ports.mqtts}`], tls: { rejectUnauthorized: false }, version: 4 });
});

test('mqtt, ws, mqtts and wss carry one connection for all, on MQTT 5 and 3.1.1', async () => {
  const ca = await readFile(authority.ca);
  const urls = [
    server.url,
    `ws://127.0.0.1:${server.wsPort}/mqtt`,
    `mqtts://localhost:${ports.mqtts}`,
    `wss://localhost:${ports.wss}/mqtt`,
  ];
  for (const url of urls)
    for (const version of [4, 5] as const) await exchange({ urls: [url], version, clientId: `device ${version} ${url}`, tls: { ca } });
});

test('a server that asks for a client certificate gets it', async () => {
  const [ca, cert, key] = await Promise.all([authority.ca, client.cert, client.key].map((path) => readFile(path)));
  await exchange({ urls: [`mqtts://localhost:${ports.certified}`], tls: { ca, cert, key } });
});

test('a certificate that is not trusted is an error at once, which says what to do', async () => {
  await using bus = await openMqttBus({ urls: [`mqtts://localhost:${ports.mqtts}`] });
  await assert.rejects(bus.subscribe(['a']), fails('HYD_CONNECT', /certificate/));
  await assert.rejects(bus.publish({ topic: 'a', payload: Buffer.alloc(0), qos: 1, retain: false }), fails('HYD_CONNECT', /certificate/));
});

test('no URL, or one of another kind, is refused before anything is connected', async () => {
  await assert.rejects(openMqttBus({ urls: [] }), { code: 'HYD_USAGE' });
  await assert.rejects(openMqttBus({ urls: [server.url, 'http://127.0.0.1'] }), { code: 'HYD_USAGE', message: /http:/ });
});
