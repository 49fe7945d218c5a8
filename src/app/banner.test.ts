import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readyBanner } from './banner.ts';

const ready = {
  version: '1.2.3',
  dataDir: '/srv/h',
  listeners: { mqtt: 'mqtt://127.0.0.1:1883', ws: 'ws://127.0.0.1:8080', http: 'http://127.0.0.1:8080' },
  demo: false,
  env: {},
};

test('the banner names URLs, data folder and a command that works as it stands', () => {
  const text = readyBanner(ready);
  for (const wanted of [
    'Hydrant 1.2.3 is ready\n',
    'http://127.0.0.1:8080/\n',
    'mqtt://127.0.0.1:1883\n',
    'ws://127.0.0.1:8080\n',
    '/srv/h\n',
    "hydrant sub -t '#' -v\n",
  ]) {
    assert.ok(text.includes(wanted), wanted);
  }
});

test('on another port the command says where to connect, and it is called as this one was', () => {
  const listeners = { ...ready.listeners, mqtt: 'mqtt://127.0.0.1:4000' };
  assert.match(
    readyBanner({ ...ready, listeners, env: { npm_lifecycle_event: 'start' } }),
    /^ {4}bin\/hydrant sub -t '#' -v --url mqtt:\/\/127\.0\.0\.1:4000$/m,
  );
  assert.match(readyBanner({ ...ready, env: { npm_command: 'exec' } }), /npx hydrant sub/);
});

test('without MQTT over TCP the command uses websockets', () => {
  const text = readyBanner({ ...ready, demo: true, listeners: { ws: 'ws://127.0.0.1:8080', http: 'http://127.0.0.1:8080' } });
  assert.match(text, /is ready, with demo events/);
  assert.match(text, /MQTT {8}off/);
  assert.match(text, /sub -t '#' -v --url ws:\/\/127\.0\.0\.1:8080/);
});

test('doors with TLS are named, and a server that has nothing else says how to trust it', () => {
  const listeners = { mqtts: 'mqtts://127.0.0.1:8883', wss: 'wss://127.0.0.1:8443', https: 'https://127.0.0.1:8443' };
  const both = readyBanner({ ...ready, listeners: { ...ready.listeners, ...listeners } });
  assert.match(both, /MQTT {8}mqtt:\/\/127\.0\.0\.1:1883 {2}mqtts:\/\/127\.0\.0\.1:8883\n/);
  assert.match(both, /websockets {2}ws:\/\/127\.0\.0\.1:8080 {2}wss:\/\/127\.0\.0\.1:8443\n/);
  assert.match(both, /curl -d hello http:/);
  const alone = readyBanner({ ...ready, listeners });
  assert.match(alone, /page {8}https:\/\/127\.0\.0\.1:8443\/\n/);
  assert.match(alone, /sub -t '#' -v --url mqtts:\/\/127\.0\.0\.1:8883 --cafile CA\.pem\n/);
  assert.match(alone, /curl -d hello https:\/\/127\.0\.0\.1:8443\/t\/demo\/hello --cacert CA\.pem\n/);
});

test('without the HTTP doors there is no page and nothing for curl to try', () => {
  const text = readyBanner({ ...ready, listeners: { mqtt: 'mqtt://127.0.0.1:1883' } });
  assert.match(text, /page {8}off \(listeners\.http\.enabled\)\n/);
  assert.match(text, /websockets {2}off \(listeners\.ws\.enabled\)\n/);
  assert.doesNotMatch(text, /curl|undefined/);
});
