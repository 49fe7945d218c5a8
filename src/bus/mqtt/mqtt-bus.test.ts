import { after, before } from 'node:test';
import { connectClient } from '../../mqtt/client.ts';
import { type BusPlace, busContract } from '../../testing/bus-contract.ts';
import { type HydrantServer, startHydrant } from '../../testing/hydrant-server.ts';
import { type Mosquitto, startMosquitto } from '../../testing/mosquitto.ts';
import { openMqttBus } from './mqtt-bus.ts';

/** Durable names that the contract uses. */
const DURABLES = ['reader', 'jobs'];

let mosquitto: Mosquitto;
let hydrant: HydrantServer;
before(async () => {
  [mosquitto, hydrant] = await Promise.all([startMosquitto(), startHydrant()]);
});
after(async () => {
  await mosquitto?.stop();
  await hydrant?.[Symbol.asyncDispose]();
});

async function createPlace(url: string, version: 4 | 5, clientId?: string): Promise<BusPlace> {
  const open = () => openMqttBus({ urls: [url], version, ...(clientId === undefined ? {} : { clientId }) });
  let bus = await open();
  return {
    bus,
    async restart() {
      await bus.close();
      bus = await open();
      return bus;
    },
    async [Symbol.asyncDispose]() {
      await bus.close();
      for (const clientId of DURABLES) await (await connectClient({ url, clientId })).close();
    },
  };
}

for (const version of [4, 5] as const) {
  busContract(`mqtt ${version} on Mosquitto`, () => createPlace(mosquitto.url, version));
  busContract(`mqtt ${version} on Hydrant`, () => createPlace(hydrant.mqttUrl, version));
  // Under the name of the durable that the contract uses: over one connection it is the client's own.
  busContract(`mqtt ${version} over one connection on Mosquitto`, () => createPlace(mosquitto.url, version, 'reader'));
  busContract(`mqtt ${version} over one connection on Hydrant`, () => createPlace(hydrant.mqttUrl, version, 'reader'));
}
