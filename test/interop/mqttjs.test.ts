import assert from 'node:assert/strict';
import { test } from 'node:test';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { within } from '../../src/testing/deadline.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const VERSIONS = {
  'MQTT 3.1': { protocolId: 'MQIsdp', protocolVersion: 3 },
  'MQTT 3.1.1': { protocolVersion: 4 },
  'MQTT 5': { protocolVersion: 5 },
} as const;

/** One MQTT.js client and what it received, `topic payload qos`; from before its CONNACK on. */
class Peer implements AsyncDisposable {
  readonly client: MqttClient;
  readonly #got: string[] = [];
  #onMessage = (): void => {};

  private constructor(client: MqttClient) {
    this.client = client;
    client.on('message', (topic, payload, packet) => {
      this.#got.push(`${topic} ${payload} ${packet.qos}`);
      this.#onMessage();
    });
  }

  /** It never reconnects by itself: that would hide a connection that broke. */
  static async connect(url: string, options: IClientOptions = {}): Promise<Peer> {
    const peer = new Peer(mqtt.connect(url, { reconnectPeriod: 0, ...options }));
    await new Promise<void>((resolve, reject) => {
      peer.client.once('connect', () => resolve());
      peer.client.once('error', reject);
    });
    return peer;
  }

  async received(count: number): Promise<string[]> {
    const all = new Promise<void>((resolve) => {
      this.#onMessage = () => {
        if (this.#got.length >= count) resolve();
      };
      this.#onMessage();
    });
    await within(all, 10_000, () => `${count} events; there are: ${this.#got.join(', ')}`);
    return this.#got;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync();
  }
}

for (const transport of ['tcp', 'ws'] as const) {
  for (const [name, version] of Object.entries(VERSIONS)) {
    const url = transport === 'tcp' ? server.mqttUrl : server.wsUrl;
    const id = `${transport}${version.protocolVersion}`;

    test(`MQTT.js publishes and receives at each QoS, ${name} over ${transport}`, async () => {
      await using peer = await Peer.connect(url, version);
      const granted = await peer.client.subscribeAsync(`js/${id}/#`, { qos: 2 });
      assert.equal(granted[0]?.qos, 2);
      for (const qos of [0, 1, 2] as const) await peer.client.publishAsync(`js/${id}/a`, `${qos}`, { qos });
      const expected = [0, 1, 2].map((qos) => `js/${id}/a ${qos} ${qos}`);
      assert.deepEqual((await peer.received(3)).sort(), expected);
    });

    test(`MQTT.js comes back to what it missed, ${name} over ${transport}`, async () => {
      const five = version.protocolVersion === 5 ? { properties: { sessionExpiryInterval: 600 } } : {};
      const session = { ...version, ...five, clientId: `js-${id}`, clean: false };
      {
        await using first = await Peer.connect(url, session);
        await first.client.subscribeAsync(`jsback/${id}/#`, { qos: 2 });
      }
      await using publisher = await Peer.connect(url, version);
      for (const qos of [1, 2] as const) await publisher.client.publishAsync(`jsback/${id}/a`, `${qos}`, { qos });
      await using back = await Peer.connect(url, session);
      assert.deepEqual(
        await back.received(2),
        [1, 2].map((qos) => `jsback/${id}/a ${qos} ${qos}`),
      );
    });
  }
}

test('MQTT.js gets the will of a peer that vanished, and a retained event', async () => {
  await using publisher = await Peer.connect(server.mqttUrl);
  await publisher.client.publishAsync('jswill/kept', 'kept', { qos: 1, retain: true });
  await using watcher = await Peer.connect(server.mqttUrl);
  await watcher.client.subscribeAsync('jswill/#', { qos: 1 });
  const doomed = await Peer.connect(server.mqttUrl, { will: { topic: 'jswill/a', payload: Buffer.from('gone'), qos: 1 } });
  doomed.client.stream.destroy();
  assert.deepEqual(await watcher.received(2), ['jswill/kept kept 1', 'jswill/a gone 1']);
});
