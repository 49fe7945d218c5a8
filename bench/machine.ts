import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** Where the numbers come from. */
export interface Machine {
  cores: number;
  cpu: string;
  memoryGb: number;
  kernel: string;
  node: string;
  /** 4 KiB appends each followed by fdatasync, one after the other, a second. */
  syncsPerSecond: number;
}

const TMPFS_MAGIC = 0x01021994;

export function describeMachine(folder: string): Machine {
  if (statfsSync(folder).type === TMPFS_MAGIC) throw new Error(`${folder} is in memory: durable figures need a disk`);
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]!.model,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()}`,
    node: process.version,
    syncsPerSecond: measureSyncs(join(folder, 'sync-rate'), 1000),
  };
}

function measureSyncs(path: string, forMs: number): number {
  const block = Buffer.alloc(4096, 'x');
  const fd = openSync(path, 'w');
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < forMs; count++) {
    writeSync(fd, block);
    fdatasyncSync(fd);
  }
  closeSync(fd);
  rmSync(path);
  return Math.round(count / ((performance.now() - start) / 1000));
}
