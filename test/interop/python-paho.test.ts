import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { shareDoors } from './doors.ts';
import { goThroughExchange } from './exchange.ts';

const PYTHON = '/usr/bin/python3';
const PROGRAM = fileURLToPath(new URL('clients/exchange.py', import.meta.url));
const VERSIONS = { 3: 'MQTT 3.1', 4: 'MQTT 3.1.1', 5: 'MQTT 5' };

const { server, doors } = await shareDoors();

for (const door of doors) {
  for (const [level, version] of Object.entries(VERSIONS)) {
    test(`Python's paho exchanges events at each QoS, comes back to its session and leaves its will: ${version} over ${door.name}`, async () => {
      const name = `python-${door.name}-${level}`;
      await goThroughExchange([PYTHON, PROGRAM, door.url, door.caFile ?? '-', level, name], server.mqttUrl, name);
    });
  }
}
