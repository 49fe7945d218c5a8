import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { CertificateFiles } from './certificates.ts';
import { Child } from './child.ts';
import { until } from './deadline.ts';
import { freePort } from './mosquitto.ts';
import { createTempFolder } from './temp-folder.ts';

export interface DovecotOptions {
  /** Turns on TLS: a second port for it, and STARTTLS on the first. */
  tls?: CertificateFiles;
  /** Further lines of its configuration. */
  config?: readonly string[];
}

export interface Dovecot extends AsyncDisposable {
  /** Without TLS; also at 127.0.0.2, where clients do not count as being on the same machine. */
  readonly port: number;
  /** With TLS from the first byte; 0 without a certificate. */
  readonly tlsPort: number;
  readonly user: string;
  readonly password: string;
  /** Puts a mail into the mailbox as a mail server would. @param flags Maildir's letters, `S` for seen @returns its name there, without flags */
  deliver(mail: string | Uint8Array, options?: { folder?: string; flags?: string; receivedMs?: number }): Promise<string>;
  /** The flags of the mails of INBOX, by name: Maildir's letters, small ones for keywords. */
  flags(): Promise<Map<string, string>>;
  /** Names of the keywords that small letters stand for. */
  keywords(): Promise<string[]>;
  /** Forgets the numbers of its mails while it is stopped: UIDVALIDITY changes at the next start. */
  forgetNumbers(): Promise<void>;
  /** Gives its user these rights in a folder (RFC 4314), with the plugin `acl`. */
  restrict(folder: string, rights: string): Promise<void>;
  /** Kills it at once, with every process it has. */
  kill(): Promise<void>;
  /** Runs it again on the same ports and mailbox. */
  restart(): Promise<void>;
  /** Every process of it stands still (SIGSTOP), with its connections open, and goes on. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

const START_MS = 20_000;
const NOBODY = 65_534;

/** Starts Debian's Dovecot on the loopback with one mailbox, in a folder of its own; no user of the system but the one that runs the tests is needed (nobody, for root). */
export async function startDovecot(options: DovecotOptions = {}): Promise<Dovecot> {
  const folder = await createTempFolder('dovecot');
  const ports = { plain: await freePort(), tls: options.tls ? await freePort() : 0 };
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? { uid: NOBODY, gid: NOBODY, name: 'nobody', group: 'nogroup' } : await whoRuns();
  const maildir = join(folder.path, 'Maildir');
  const file = join(folder.path, 'dovecot.conf');
  const user = 'bugs';
  const password = randomUUID();
  await chmod(folder.path, 0o755);
  for (const path of [maildir, join(maildir, 'tmp'), join(maildir, 'new'), join(maildir, 'cur')]) await makeOwned(path, owner);
  await writeFile(file, configuration(folder.path, ports, owner, { ...options, user, password }));
  let child: Child | undefined;
  const start = async (): Promise<void> => {
    child = new Child('dovecot', ['-F', '-c', file], { env: { PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin` } });
    await child.line((line) => (/ starting up /.test(line) ? true : undefined), START_MS, 'the line that says it runs');
  };
  const kill = async (): Promise<void> => {
    if (!child) return;
    const pids = await family(child.pid);
    for (const pid of pids) signal(pid, 'SIGKILL');
    await child.exited;
    child = undefined;
    await until(async () => (await Promise.all(pids.map(isGone))).every(Boolean), 'the processes of Dovecot to be gone');
    await rm(join(folder.path, 'run'), { recursive: true, force: true });
  };
  const dispose = async (): Promise<void> => {
    await kill();
    await folder[Symbol.asyncDispose]();
  };
  try {
    await start();
  } catch (error) {
    await dispose();
    throw error;
  }
  let delivered = 0;
  return {
    port: ports.plain,
    tlsPort: ports.tls,
    user,
    password,
    async deliver(mail, { folder: box, flags = '', receivedMs } = {}) {
      const home = box === undefined ? maildir : join(maildir, `.${box}`);
      if (box !== undefined) for (const name of ['', 'tmp', 'new', 'cur']) await makeOwned(join(home, name), owner);
      const received = (receivedMs ?? Date.now()) / 1000;
      const name = `${Math.floor(received)}.M${String(++delivered).padStart(8, '0')}P${process.pid}.test`;
      const written = join(home, 'tmp', name);
      await writeFile(written, mail);
      await utimes(written, received, received);
      if (isRoot) await chown(written, owner.uid, owner.gid);
      await rename(written, flags === '' ? join(home, 'new', name) : join(home, 'cur', `${name}:2,${flags}`));
      return name;
    },
    async flags() {
      const names = [...(await readdir(join(maildir, 'new'))), ...(await readdir(join(maildir, 'cur')))];
      return new Map(names.map((name) => [name.replace(/[,:].*$/, ''), /:2,(\w*)/.exec(name)?.[1] ?? '']));
    },
    async keywords() {
      const text = await readFile(join(maildir, 'dovecot-keywords'), 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.replace(/^\d+ /, ''));
    },
    async forgetNumbers() {
      for (const name of await readdir(maildir)) if (/^dovecot([.]|-uidlist)/.test(name)) await rm(join(maildir, name), { force: true });
    },
    async restrict(box, rights) {
      const list = join(maildir, `.${box}`, 'dovecot-acl');
      await writeFile(list, `owner ${rights}\nuser=${user} ${rights}\n`);
      await chown(list, owner.uid, owner.gid);
    },
    kill,
    restart: start,
    freeze: async () => {
      for (const pid of await family(child!.pid)) signal(pid, 'SIGSTOP');
    },
    thaw: async () => {
      for (const pid of await family(child!.pid)) signal(pid, 'SIGCONT');
    },
    [Symbol.asyncDispose]: dispose,
  };
}

interface Owner {
  uid: number;
  gid: number;
  name: string;
  group: string;
}

function configuration(
  folder: string,
  ports: { plain: number; tls: number },
  owner: Owner,
  { tls, config = [], user, password }: DovecotOptions & { user: string; password: string },
): string {
  const listener = (name: string, port: number): string =>
    `  inet_listener ${name} {\n    port = ${port}\n    address = 127.0.0.1 127.0.0.2\n  }`;
  return [
    'protocols = imap',
    `base_dir = ${folder}/run`,
    `state_dir = ${folder}/state`,
    'log_path = /dev/stderr',
    'listen = 127.0.0.1',
    `default_internal_user = ${owner.name}`,
    `default_internal_group = ${owner.group}`,
    `default_login_user = ${owner.name}`,
    `mail_location = maildir:${folder}/Maildir`,
    'first_valid_uid = 1',
    'disable_plaintext_auth = no',
    `passdb {\n  driver = static\n  args = user=${user} password=${password}\n}`,
    `userdb {\n  driver = static\n  args = uid=${owner.uid} gid=${owner.gid} home=${folder}/home\n}`,
    ...(tls ? ['ssl = yes', `ssl_cert = <${tls.cert}`, `ssl_key = <${tls.key}`] : ['ssl = no']),
    'service imap-login {',
    '  chroot =',
    listener('imap', ports.plain),
    listener('imaps', ports.tls).replace('\n  }', tls ? '\n    ssl = yes\n  }' : '\n  }'),
    '}',
    'service anvil {\n  chroot =\n}',
    'service stats {\n  chroot =\n}',
    // A wrong password is answered at once, and is not slower the next time.
    'auth_failure_delay = 0',
    'service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}',
    ...config,
    '',
  ].join('\n');
}

async function whoRuns(): Promise<Owner> {
  const { uid, gid, username } = userInfo();
  const groups = await readFile('/etc/group', 'utf8');
  const group = groups
    .split('\n')
    .find((line) => line.split(':')[2] === String(gid))
    ?.split(':')[0];
  return { uid, gid, name: username, group: group ?? String(gid) };
}

async function makeOwned(path: string, { uid, gid }: Owner): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chown(path, uid, gid);
}

/** A process and all below it. */
async function family(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    const stat = /^\d+$/.test(name) ? await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '') : '';
    const parent = /\) . (\d+) /.exec(stat)?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat === '' || stat.includes(') Z ');
}
