import { readFileSync } from 'node:fs';
import { appendFile, chmod, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Child, run } from './child.ts';
import { until } from './deadline.ts';
import { freePort } from './mosquitto.ts';
import { createTempFolder } from './temp-folder.ts';

export interface SshdOptions {
  /** Default: a free one. */
  port?: number;
  /** A shell command that every login runs, whatever it asks for; what was asked for is in `SSH_ORIGINAL_COMMAND`. Default: prints what is appended from then on. */
  command?: string;
  /** Host keys that it has, by type. Default: ed25519. */
  hostKeys?: readonly ('ed25519' | 'rsa' | 'ecdsa')[];
  /** Further lines of its configuration. */
  config?: readonly string[];
}

export interface Sshd extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  readonly folder: string;
  /** The user who may log in: the one who runs the tests. */
  readonly user: string;
  /** A private key that may log in. */
  readonly key: string;
  /** known_hosts with its keys. */
  readonly knownHosts: string;
  /** Appended to what each login prints, as it is. */
  append(text: string | Uint8Array): Promise<void>;
  /** Resolves with the commands that were asked for, once there are so many: each of these logins gets what is appended from now on. */
  logins(count: number): Promise<string[]>;
  /** SIGSTOP and SIGCONT for it and all of its logins. */
  freeze(): void;
  thaw(): void;
  /** Ends it and its logins at once; the port stays its own. */
  kill(): Promise<void>;
  /** After `kill`. */
  start(): Promise<void>;
}

const START_MS = 20_000;
const SSHD = '/usr/sbin/sshd';

/** Starts Debian's OpenSSH on the loopback with keys of its own. The account is the one that runs the tests, so it need not be root. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const port = options.port ?? (await freePort());
  const folder = await createTempFolder('sshd');
  const at = (name: string): string => join(folder.path, name);
  const types = options.hostKeys ?? ['ed25519'];
  for (const type of types) await makeKey(at(`host-${type}`), type);
  await makeKey(at('key'), 'ed25519');
  await writeFile(at('stream'), '');
  await writeFile(at('asked'), '');
  const follow = `exec tail -c +$((size + 1)) -f '${at('stream')}'`;
  const script = `#!/bin/sh
size=$(stat -c %s '${at('stream')}')
echo "$SSH_ORIGINAL_COMMAND" >> '${at('asked')}'
${options.command ?? follow}
`;
  await writeFile(at('forced'), script);
  await chmod(at('forced'), 0o755);
  await writeFile(at('authorized'), `restrict,command="${at('forced')}" ${await readFile(at('key.pub'), 'utf8')}`, { mode: 0o600 });
  const known = types.map((type) => `[127.0.0.1]:${port} ${readFileSync(at(`host-${type}.pub`), 'utf8')}`);
  await writeFile(at('known_hosts'), known.join(''));
  await writeFile(at('sshd_config'), configuration(options, port, at).join('\n'));
  // A privilege that root's sshd drops needs this folder; nobody else has the right to make it, or the need.
  if (process.getuid?.() === 0) await run('mkdir', ['-p', '/run/sshd']);
  let child: Child;
  const start = async (): Promise<void> => {
    child = new Child(SSHD, ['-D', '-e', '-f', at('sshd_config')]);
    await child.line((line) => (/Server listening on/.test(line) ? true : undefined), START_MS, 'the line that says it listens');
  };
  const kill = async (): Promise<void> => {
    signalTree(child.pid, 'SIGKILL');
    await child.exited;
  };
  await start().catch(async (error: unknown) => {
    await folder[Symbol.asyncDispose]();
    throw error;
  });
  return {
    port,
    get pid() {
      return child.pid;
    },
    folder: folder.path,
    user: userInfo().username,
    key: at('key'),
    knownHosts: at('known_hosts'),
    append: (text) => appendFile(at('stream'), text),
    async logins(count) {
      const read = (): string[] => readFileSync(at('asked'), 'utf8').split('\n').slice(0, -1);
      await until(() => read().length >= count, `${count} logins`);
      return read();
    },
    freeze: () => signalTree(child.pid, 'SIGSTOP'),
    thaw: () => signalTree(child.pid, 'SIGCONT'),
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function configuration(options: SshdOptions, port: number, at: (name: string) => string): string[] {
  return [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...(options.hostKeys ?? ['ed25519']).map((type) => `HostKey ${at(`host-${type}`)}`),
    `AuthorizedKeysFile ${at('authorized')}`,
    `PidFile ${at('pid')}`,
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'StrictModes no',
    'UsePAM no',
    'MaxStartups 1000',
    // Bash reads the .bashrc of its home for a command by SSH, and that of the user may do anything.
    `SetEnv HOME=${at('home')}`,
    ...(options.config ?? []),
    '',
  ];
}

/** @param type ed25519, rsa or ecdsa */
export async function makeKey(path: string, type: string, passphrase = ''): Promise<void> {
  const made = await run('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'test', '-f', path]);
  if (made.code !== 0) throw new Error(`ssh-keygen: ${made.stderr}`);
}

/** The process and all that it started, the youngest last. */
function signalTree(pid: number, signal: NodeJS.Signals): void {
  const ids = [pid];
  for (let at = 0; at < ids.length; at++) ids.push(...childrenOf(ids[at]!));
  for (const id of ids) {
    try {
      process.kill(id, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
