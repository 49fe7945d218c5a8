import { readFileSync } from 'node:fs';
import { mkdtemp, open, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { formatSize } from '../../core/units.ts';
import { type Finding, fail, ok, warn } from './check.ts';

const MIN_NODE = 24;
const LOW_BYTES = 1024 ** 3;
const NO_BYTES = 64 * 1024 ** 2;
const FSYNC_MS = 300;
const SLOW_FSYNCS = 200;
const MIN_FILES = 4096;
/** Nothing here was built before this: an earlier clock has lost its battery. */
const BUILT_MS = Date.UTC(2026, 0, 1);
const SKEW_MS = 2000;

/** Linux's file system numbers (statfs(2)) on which what is acknowledged can be lost, and why. */
const WEAK_FILE_SYSTEMS: Record<number, string> = {
  16914836: 'tmpfs is memory: everything is gone after a reboot',
  26985: 'NFS: locks and fsync depend on the server',
  4283649346: 'SMB: locks and fsync depend on the server',
};

export function checkNode(version: string): Finding {
  const major = Number(/^v(\d+)/.exec(version)?.[1]);
  if (major >= MIN_NODE) return ok('node', version);
  return fail('node', `${version} is too old`, `Install Node ${MIN_NODE} or newer, or run bin/hydrant, which brings it along.`);
}

export function checkOpenFiles(): Finding {
  const limit = /Max open files\s+(\d+)/.exec(readLimits())?.[1];
  if (limit === undefined || Number(limit) >= MIN_FILES) return ok('open files', limit ? `up to ${limit}` : 'no limit known');
  return warn(
    'open files',
    `at most ${limit}, one for each connection`,
    'Raise it: `ulimit -n 65536`, or LimitNOFILE=65536 in the systemd unit.',
  );
}

/** Space, kind and speed of the disk under the data folder. */
export async function checkDisk(dataDir: string): Promise<Finding[]> {
  const dir = await nearestFolder(dataDir);
  const findings: Finding[] = [];
  const disk = await statfs(dir);
  const free = disk.bavail * disk.bsize;
  const text = `${formatSize(free)} free of ${formatSize(disk.blocks * disk.bsize)}`;
  const fix = 'Free space on that disk, or move the data folder: --data DIR.';
  findings.push(
    free < NO_BYTES ? fail('disk space', text, fix) : free < LOW_BYTES ? warn('disk space', text, fix) : ok('disk space', text),
  );
  const weak = WEAK_FILE_SYSTEMS[disk.type];
  if (weak) findings.push(warn('file system', weak, 'Put the data folder on a local disk: --data DIR.'));
  findings.push(await checkFsync(dir));
  return findings;
}

async function checkFsync(dir: string): Promise<Finding> {
  let folder: string;
  try {
    folder = await mkdtemp(join(dir, '.hydrant-doctor-'));
  } catch (error) {
    return fail(
      'fsync',
      `${dir} cannot be written: ${String(error)}`,
      'Run it as the user who owns the folder, or change its permissions.',
    );
  }
  try {
    await using file = await open(join(folder, 'probe'), 'w');
    const block = Buffer.alloc(4096, 'x');
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < FSYNC_MS) {
      await file.write(block);
      await file.datasync();
      count++;
    }
    const rate = Math.round((count * 1000) / (performance.now() - start));
    const text = `${rate} a second, ${(1000 / rate).toFixed(2)} ms each`;
    if (rate >= SLOW_FSYNCS) return ok('fsync', text);
    return warn(
      'fsync',
      text,
      'An acknowledgement waits for one of these: a faster disk lowers the latency; throughput with many publishers is hardly touched.',
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The clock against the calendar, and against the disk's when that belongs to another machine. */
export async function checkClock(dataDir: string, nowMs: number): Promise<Finding> {
  const fix = 'Set the clock and keep it set: `timedatectl set-ntp true`.';
  if (nowMs < BUILT_MS) return fail('clock', `it says ${new Date(nowMs).toISOString()}, which is in the past`, fix);
  const dir = await nearestFolder(dataDir);
  const folder = await mkdtemp(join(dir, '.hydrant-doctor-')).catch(() => undefined);
  if (folder) {
    const { mtimeMs } = await stat(folder);
    await rm(folder, { recursive: true, force: true });
    const skewMs = Math.abs(mtimeMs - Date.now());
    if (skewMs > SKEW_MS) return warn('clock', `the disk's clock differs by ${(skewMs / 1000).toFixed(1)} s`, fix);
  }
  return ok('clock', new Date(nowMs).toISOString());
}

/** The folder itself, or the nearest one above it that exists. */
async function nearestFolder(dir: string): Promise<string> {
  for (let at = dir; ; at = dirname(at)) {
    const stats = await stat(at).catch(() => undefined);
    if (stats?.isDirectory() || at === dirname(at)) return at;
  }
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
