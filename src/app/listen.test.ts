import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { listen, listenerUrl } from './listen.ts';

test('port 0 gives a free port, and a busy one is named with the flag that changes it', async () => {
  const first = createServer();
  const second = createServer();
  try {
    const port = await listen(first, { key: 'listeners.mqtt', host: '127.0.0.1', port: 0 });
    assert.ok(port > 0);
    await assert.rejects(listen(second, { key: 'listeners.mqtt', host: '127.0.0.1', port }), {
      code: 'HYD_PORT_BUSY',
      message: `port ${port} on 127.0.0.1 (listeners.mqtt.port) is in use by another program`,
      fix: new RegExp(`--set listeners\\.mqtt\\.port=${port + 1} \\(0 picks a free one\\)`),
    });
  } finally {
    first.close();
    second.close();
  }
});

test('an address that is not of this machine is a mistake in the configuration', async () => {
  await assert.rejects(listen(createServer(), { key: 'listeners.http', host: '192.0.2.1', port: 0 }), {
    code: 'HYD_CONFIG',
    message: /cannot listen on 192\.0\.2\.1 port 0 \(listeners\.http\): .*EADDRNOTAVAIL/,
  });
});

test('an IPv6 address is in brackets in its URL', () => {
  assert.equal(listenerUrl('ws', '::1', 80), 'ws://[::1]:80');
  assert.equal(listenerUrl('mqtt', '127.0.0.1', 1883), 'mqtt://127.0.0.1:1883');
});

test('a port below 1024 that this account may not use is named with the capability it needs', async () => {
  const server = createServer();
  server.listen = () => {
    queueMicrotask(() => server.emit('error', Object.assign(new Error('listen EACCES'), { code: 'EACCES' })));
    return server;
  };
  await assert.rejects(listen(server, { key: 'listeners.wss', host: '127.0.0.1', port: 443 }), {
    code: 'HYD_CONFIG',
    message: 'this account may not listen on port 443 on 127.0.0.1 (listeners.wss.port)',
    fix: /AmbientCapabilities=CAP_NET_BIND_SERVICE.*--set listeners\.wss\.port=8443/,
  });
});
