import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { within } from '../../src/testing/deadline.ts';
import { shareDoors } from './doors.ts';
import { expectedEvents, LARGE } from './exchange.ts';

const { doors } = await shareDoors();
const VERSIONS = {
  'MQTT 3.1': { protocolId: 'MQIsdp', protocolVersion: 3 },
  'MQTT 3.1.1': { protocolVersion: 4 },
  'MQTT 5': { protocolVersion: 5 },
} as const;

/** One MQTT.js client and what it received, `topic payload qos retain`; from before its CONNACK on. */
class Peer implements AsyncDisposable {
  readonly client: MqttClient;
  readonly got: string[] = [];
  #onMessage = (): void => {};

  private constructor(client: MqttClient) {
    this.client = client;
    client.on('message', (topic, payload, { qos, retain }) => {
      const text = payload.length > 1000 ? `sha256:${createHash('sha256').update(payload).digest('hex')}` : `${payload}`;
      this.got.push(`${topic} ${text} ${qos} ${retain ? 1 : 0}`);
      this.#onMessage();
    });
  }

  /** It never reconnects by itself: that would hide a connection that broke. */
  static async connect(url: string, options: IClientOptions): Promise<Peer> {
    const peer = new Peer(mqtt.connect(url, { reconnectPeriod: 0, ...options }));
    await new Promise<void>((resolve, reject) => {
      peer.client.once('connect', () => resolve());
      peer.client.once('error', reject);
    });
    return peer;
  }

  async receive(count: number): Promise<void> {
    const all = new Promise<void>((resolve) => {
      this.#onMessage = () => {
        if (this.got.length >= count) resolve();
      };
      this.#onMessage();
    });
    await within(all, 10_000, () => `${count} events; there are: ${this.got.join(', ')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync();
  }
}

for (const door of doors) {
  for (const [name, version] of Object.entries(VERSIONS)) {
    test(`MQTT.js exchanges events at each QoS, comes back to its session and leaves its will: ${name} over ${door.name}`, async () => {
      const prefix = `js-${door.name}-${version.protocolVersion}`;
      const options = { ...version, ca: door.caFile ? await readFile(door.caFile) : undefined };
      const five = version.protocolVersion === 5 ? { properties: { sessionExpiryInterval: 600 } } : {};
      const session = { ...options, ...five, clientId: prefix, clean: false };
      await using publisher = await Peer.connect(door.url, options);
      await publisher.client.publishAsync(`${prefix}/kept`, 'kept', { qos: 1, retain: true });
      const got: string[] = [];
      {
        await using subscriber = await Peer.connect(door.url, session);
        const granted = await subscriber.client.subscribeAsync(`${prefix}/#`, { qos: 2 });
        assert.equal(granted[0]?.qos, 2);
        for (const qos of [1, 2] as const) await publisher.client.publishAsync(`${prefix}/live`, `${qos}`, { qos });
        await publisher.client.publishAsync(`${prefix}/large`, LARGE, { qos: 1 });
        await subscriber.receive(4);
        // Handled only when what came before is acknowledged.
        await publisher.client.publishAsync(`${prefix}/live`, '0', { qos: 0 });
        await subscriber.receive(5);
        got.push(...subscriber.got);
      }
      for (const qos of [1, 2] as const) await publisher.client.publishAsync(`${prefix}/missed`, `${qos}`, { qos });
      await using back = await Peer.connect(door.url, session);
      await back.receive(2);
      assert.deepEqual([...got, ...back.got].sort(), expectedEvents(prefix));

      const will = { topic: `${prefix}/will`, payload: Buffer.from('gone'), qos: 1 as const, retain: false };
      const doomed = await Peer.connect(door.url, { ...options, will });
      doomed.client.stream.destroy();
      await back.receive(3);
      assert.equal(back.got[2], `${prefix}/will gone 1 0`);
    });
  }
}
