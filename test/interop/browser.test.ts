import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { RawClient } from '../../src/testing/raw-client.ts';
import { openPage } from './chromium.ts';
import { shareDoors } from './doors.ts';
import { expectedEvents } from './exchange.ts';
import { PageServer } from './page-server.ts';

const pages = await PageServer.listen();
after(() => pages[Symbol.asyncDispose]());
const { server, doors, authorityPath } = await shareDoors({ set: { 'http.origins': `["${pages.origin}"]` } });
const certificate = join(authorityPath, 'server.pem');

for (const door of doors.filter(({ name }) => name.startsWith('ws'))) {
  for (const [level, version] of Object.entries({ 4: 'MQTT 3.1.1', 5: 'MQTT 5' })) {
    test(`MQTT.js in Chromium exchanges events at each QoS, comes back to its session and leaves its will: ${version} over ${door.name}`, async () => {
      const name = `page-${door.name}-${level}`;
      using watcher = await RawClient.connect(server.mqttUrl, { auto: true });
      await watcher.subscribe(`${name}/will`, 1);
      const query = new URLSearchParams({ broker: door.url, version: level, name });
      {
        await using _page = await openPage(`${pages.origin}/exchange.html?${query}`, certificate);
        pages.reports.length = 0;
        await pages.reported('done');
        assert.deepEqual(pages.reports.filter((line) => line.startsWith(`${name}/`)).sort(), expectedEvents(name));
      }
      await watcher.expectMessage(`${name}/will`, 'gone', { qos: 1 });
    });
  }
}

test('a page of an origin that is not listed gets nothing', async () => {
  await using other = await PageServer.listen();
  await using _page = await openPage(`${other.origin}/browser.html?broker=${encodeURIComponent(server.wsUrl)}`);
  await other.reported(`closed by ${server.wsUrl}`);
  assert.deepEqual(other.reports, [`closed by ${server.wsUrl}`]);
});
