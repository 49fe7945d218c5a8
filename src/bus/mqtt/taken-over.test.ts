import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from '../../testing/deadline.ts';
import { DeliveryLog } from '../../testing/delivery-log.ts';
import { startMosquitto } from '../../testing/mosquitto.ts';
import { openMqttBus } from './mqtt-bus.ts';

const LIMIT_MS = 30_000;

for (const version of [4, 5] as const) {
  test(`MQTT ${version} on Mosquitto: of two readers with one client id one ends with HYD_TAKEN_OVER, and the other gets everything that comes then`, async () => {
    await using server = await startMosquitto();
    const open = () => openMqttBus({ urls: [server.url], version, timing: { random: () => 0.1 } });
    await using first = await open();
    await using second = await open();
    const read = async (bus: typeof first) =>
      new DeliveryLog(await bus.subscribe(['a'], { durable: 'archiver' }), (delivery) => delivery.ack());
    const logs = [await read(first), await read(second)];
    const winner = await within(
      Promise.race(
        logs.map(async ({ ended }, at) => {
          await assert.rejects(ended, { code: 'HYD_TAKEN_OVER', message: /archiver/ });
          return logs[1 - at]!;
        }),
      ),
      LIMIT_MS,
      'one of the readers to end',
    );
    await second.publish({ topic: 'a', payload: Buffer.from('1'), qos: 2, retain: false });
    await winner.until(1);
    assert.deepEqual(winner.payloads, ['1']);
  });
}
