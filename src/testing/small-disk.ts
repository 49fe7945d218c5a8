import { spawnSync } from 'node:child_process';
import { mkdtemp, rmdir, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './child.ts';

/** A file system of its own with a fixed size, in memory. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Takes this much of it away, until `free`. */
  fill(bytes: number): Promise<void>;
  free(): Promise<void>;
}

const mounted = new Set<string>();
process.on('exit', () => {
  for (const path of mounted) spawnSync('umount', ['--lazy', path]);
});

/** Mounts a tmpfs of `bytes` on a new temporary folder. Needs root. Unmounted when disposed, also when the test process ends first. */
export async function mountSmallDisk(bytes: number): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), 'hydrant-disk-'));
  const { code, stderr } = await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'hydrant-test', path]);
  if (code !== 0) throw new Error(`a disk of fixed size needs root: ${stderr}`);
  mounted.add(path);
  const ballast = join(path, 'ballast');
  return {
    path,
    fill: (bytes) => writeFile(ballast, Buffer.alloc(bytes)),
    free: () => unlink(ballast),
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', path]);
      mounted.delete(path);
      await rmdir(path);
    },
  };
}
