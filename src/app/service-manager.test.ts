import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNotifySocket } from '../testing/notify-socket.ts';
import { createServiceManager } from './service-manager.ts';

test('systemd hears of ready, reloading, stopping and, with a watchdog, of every half interval', async () => {
  await using systemd = await openNotifySocket();
  const manager = createServiceManager(
    { ...process.env, NOTIFY_SOCKET: systemd.path, WATCHDOG_USEC: '200000', WATCHDOG_PID: String(process.pid) },
    assert.fail,
  );
  try {
    await manager.ready('mqtt://127.0.0.1:1883');
    await systemd.heard(new RegExp(`READY=1.*STATUS=mqtt://127\\.0\\.0\\.1:1883.*MAINPID=${process.pid}|MAINPID=${process.pid}.*READY=1`));
    await systemd.heard(/WATCHDOG=1/);
    await manager.reloading();
    await systemd.heard(/RELOADING=1.*MONOTONIC_USEC=\d+/);
    await manager.stopping();
    await systemd.heard(/STOPPING=1/);
  } finally {
    manager.close();
  }
});

test('without systemd nothing is run', async () => {
  const manager = createServiceManager({ PATH: '/nowhere' }, assert.fail);
  await manager.ready('x');
  await manager.reloading();
  await manager.stopping();
  manager.close();
});

test('a systemd that cannot be told is warned about once', async () => {
  const warnings: string[] = [];
  const manager = createServiceManager(
    { NOTIFY_SOCKET: '/nowhere/notify', PATH: '/nowhere' },
    (level, message) => void warnings.push(`${level} ${message}`),
  );
  await manager.ready('x');
  await manager.stopping();
  manager.close();
  assert.deepEqual(warnings, ['warn systemd could not be told of the state of the service']);
});
