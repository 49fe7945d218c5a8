import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { shareDoors } from './doors.ts';
import { goThroughExchange } from './exchange.ts';
import { buildGoProgram } from './go-program.ts';

const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const { server, doors } = await shareDoors();
const program = await buildGoProgram(fileURLToPath(new URL('clients/exchange.go', import.meta.url)), folder.path);

for (const door of doors) {
  for (const [level, version] of Object.entries({ 3: 'MQTT 3.1', 4: 'MQTT 3.1.1' })) {
    test(`Go's paho exchanges events at each QoS, comes back to its session and leaves its will: ${version} over ${door.name}`, async () => {
      const name = `go-${door.name}-${level}`;
      await goThroughExchange([program, door.url, door.caFile ?? '-', level, name], server.mqttUrl, name);
    });
  }
}
