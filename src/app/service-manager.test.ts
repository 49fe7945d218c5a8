import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../testing/child.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { createServiceManager } from './service-manager.ts';

/** What systemd is to a service: a datagram socket; prints each message on one line. */
const RECEIVER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().replace('\\n', ' '), flush=True)`;

async function receiver(path: string): Promise<Child> {
  const child = new Child('python3', ['-c', RECEIVER, path]);
  await child.line((line) => line === 'bound' || undefined, 20_000, 'its socket');
  return child;
}

test('systemd hears of ready, reloading, stopping and, with a watchdog, of every half interval', async () => {
  await using dir = await createTempFolder();
  const path = join(dir.path, 'notify');
  await using systemd = await receiver(path);
  const manager = createServiceManager(
    { ...process.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000', WATCHDOG_PID: String(process.pid) },
    assert.fail,
  );
  try {
    const heard = (pattern: RegExp) => systemd.line((line) => (pattern.test(line) ? line : undefined), 20_000, String(pattern));
    await manager.ready('mqtt://127.0.0.1:1883');
    await heard(new RegExp(`READY=1.*STATUS=mqtt://127\\.0\\.0\\.1:1883.*MAINPID=${process.pid}|MAINPID=${process.pid}.*READY=1`));
    await heard(/WATCHDOG=1/);
    await manager.reloading();
    await heard(/RELOADING=1.*MONOTONIC_USEC=\d+/);
    await manager.stopping();
    await heard(/STOPPING=1/);
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
