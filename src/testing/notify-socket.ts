import { join } from 'node:path';
import { Child } from './child.ts';
import { createTempFolder } from './temp-folder.ts';

const RECEIVER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().replace('\\n', ' '), flush=True)`;

/** What systemd is to a service: a datagram socket that is told of its state. */
export interface NotifySocket extends AsyncDisposable {
  /** For NOTIFY_SOCKET. */
  readonly path: string;
  /** Resolves with the first message, past or to come, that matches. */
  heard(pattern: RegExp): Promise<string>;
}

export async function openNotifySocket(): Promise<NotifySocket> {
  const folder = await createTempFolder();
  const path = join(folder.path, 'notify');
  const child = new Child('python3', ['-c', RECEIVER, path]);
  await child.line((line) => line === 'bound' || undefined, 20_000, 'its socket');
  return {
    path,
    heard: (pattern) => child.line((line) => (pattern.test(line) ? line : undefined), 20_000, String(pattern)),
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
