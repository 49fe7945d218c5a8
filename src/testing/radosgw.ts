import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from 'node:test';
import { type S3Settings, s3Options } from '../storage/options.ts';
import { Child, run } from './child.ts';
import { freePort } from './mosquitto.ts';
import { createTempFolder } from './temp-folder.ts';

export interface S3Keys {
  accessKeyId: string;
  secretAccessKey: string;
}

/** A real S3 server: one Ceph monitor, one OSD that keeps all in memory, and radosgw, on loopback. */
export interface Radosgw extends AsyncDisposable, S3Keys {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly port: number;
  /** Settings with which a store gets in, and what is given on top of them. For `sse: aws:kms` there is the key `test-key`. */
  settings(more?: object): S3Settings;
  /** Another user, who owns no bucket and may enter none. */
  createUser(): Promise<S3Keys>;
  /** Removes a bucket and all in it, past its owner. */
  removeBucket(name: string): Promise<void>;
  /** Stops it in the middle of whatever it does; connections stay open and nothing answers. */
  freeze(): void;
  resume(): void;
  /** Ends all of it and removes its folder. Twice is fine. */
  stop(): Promise<void>;
}

const START_MS = 60_000;
const PATH = { PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/usr/bin` };

/** One server for all tests of a file, stopped after the last one. */
export async function shareRadosgw(): Promise<Radosgw> {
  const server = await startRadosgw();
  after(() => server.stop());
  return server;
}

/** Starts Debian's Ceph, which takes two seconds or three. */
export async function startRadosgw(): Promise<Radosgw> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      // Between finding a free port and using it somebody else may take it.
      if (attempt === 3 || !/already in use|unable to bind/i.test(String(error))) throw error;
    }
  }
}

async function start(): Promise<Radosgw> {
  await using started = new AsyncDisposableStack();
  const folder = started.use(await createTempFolder('radosgw'));
  const dir = folder.path;
  const inDir = (...names: string[]) => join(dir, ...names);
  const [port, monV2, monV1] = [await freePort(), await freePort(), await freePort()];
  const addresses = `[v2:127.0.0.1:${monV2},v1:127.0.0.1:${monV1}]`;
  const fsid = randomUUID();
  await writeFile(inDir('ceph.conf'), cephConfig(dir, fsid, addresses, port));
  for (const name of ['run', 'rgw', 'osd', 'mon']) await mkdir(inDir(name));

  const daemons: Child[] = [];
  const daemon = (command: string, ...args: string[]): Child => {
    // They end with this process, also when it is killed.
    const child = started.use(new Child('setpriv', ['--pdeathsig', 'KILL', command, ...conf, ...args], { cwd: dir, env: PATH }));
    daemons.push(child);
    return child;
  };
  const tool = async (command: string, ...args: string[]): Promise<string> => {
    const done = await run(command, args, { cwd: dir, env: PATH, timeoutMs: START_MS });
    const said = daemons.map((child) => child.text()).join('\n');
    if (done.code !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${done.stdout}${done.stderr}\n${said}`);
    return done.stdout;
  };
  const conf = ['-c', inDir('ceph.conf')];
  const all = ['mon', 'osd', 'mgr', 'mds'].flatMap((who) => ['--cap', who, 'allow *']);

  await tool('ceph-authtool', '--create-keyring', '--gen-key', '-n', 'mon.', 'keyring', '--cap', 'mon', 'allow *');
  await tool('ceph-authtool', '--gen-key', '-n', 'client.admin', 'keyring', ...all);
  await tool('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', addresses, 'monmap');
  await tool('ceph-mon', ...conf, '--mkfs', '-i', 'a', '--monmap', 'monmap', '--keyring', 'keyring');
  daemon('ceph-mon', '-i', 'a', '-f');
  const uuid = randomUUID();
  const secret = (await tool('ceph-authtool', '--gen-print-key')).trim();
  await writeFile(inDir('osd.json'), JSON.stringify({ cephx_secret: secret }));
  await tool('ceph', ...conf, '--connect-timeout', '20', 'osd', 'new', uuid, '-i', 'osd.json');
  await tool('ceph-authtool', '--create-keyring', 'osd/keyring', '-n', 'osd.0', '--add-key', secret);
  await tool('ceph-osd', ...conf, '-i', '0', '--mkfs', '--osd-uuid', uuid, '--keyring', 'osd/keyring');
  daemon('ceph-osd', '-i', '0', '--keyring', 'osd/keyring', '-f');
  const caps = ['mon', 'allow rw', 'osd', 'allow rwx'];
  await tool('ceph', ...conf, 'auth', 'get-or-create', 'client.rgw', ...caps, '-o', 'rgw/keyring');
  const gateway = daemon('radosgw', '-n', 'client.rgw', '--keyring', 'rgw/keyring', '-d');
  const served = await gateway.line(
    (line) => /service_daemon_register|failed to bind.*/.exec(line)?.[0],
    START_MS,
    'the line that says it serves',
  );
  if (/failed/.test(served)) throw new Error(served);

  const admin = (...args: string[]) => tool('radosgw-admin', ...conf, '-n', 'client.admin', ...args);
  const createUser = async (): Promise<S3Keys> => {
    const accessKeyId = `HYDRANT${randomBytes(6).toString('hex').toUpperCase()}`;
    const secretAccessKey = randomBytes(20).toString('hex');
    const keys = ['--access-key', accessKeyId, '--secret-key', secretAccessKey];
    await admin('user', 'create', '--uid', accessKeyId.toLowerCase(), '--display-name', 'test', ...keys);
    return { accessKeyId, secretAccessKey };
  };
  const keys = await createUser();
  const endpoint = `http://127.0.0.1:${port}`;
  const running = started.move();
  const stop = async (): Promise<void> => {
    gateway.signal('SIGCONT');
    await running.disposeAsync();
  };
  return {
    ...keys,
    endpoint,
    port,
    settings: (more = {}) => s3Options.parse({ endpoint, ...keys, ...more }),
    createUser,
    removeBucket: async (name) => void (await admin('bucket', 'rm', '--bucket', name, '--purge-objects')),
    freeze: () => gateway.signal('SIGSTOP'),
    resume: () => gateway.signal('SIGCONT'),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The proposal interval makes each change of the cluster's map take milliseconds, not a second. cephx stays: radosgw hangs without. */
function cephConfig(dir: string, fsid: string, addresses: string, port: number): string {
  return `
[global]
fsid = ${fsid}
keyring = ${dir}/keyring
public addr = 127.0.0.1
cluster addr = 127.0.0.1
mon host = ${addresses}
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
mon allow pool size one = true
mon data = ${dir}/mon
osd data = ${dir}/osd
run dir = ${dir}/run
admin socket = ${dir}/run/$name.$pid.asok
log file =
pid file =
crash dir = ${dir}/run
paxos propose interval = 0.02
paxos min wait = 0.01
[mon]
mon warn on pool no redundancy = false
[osd]
osd objectstore = memstore
memstore device bytes = 2147483648
osd crush chooseleaf type = 0
osd pool default pg autoscale mode = off
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw data = ${dir}/rgw
rgw thread pool size = 32
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = test-key=${randomBytes(32).toString('base64')}
`;
}
