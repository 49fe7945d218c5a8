import assert from 'node:assert/strict';
import { join } from 'node:path';
import { run } from '../../src/testing/child.ts';

/** Builds a Go program with Debian's packages, without a network, into `folder`. Returns the executable's path. */
export async function buildGoProgram(source: string, folder: string): Promise<string> {
  const program = join(folder, 'program');
  const env = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(folder, 'cache'), GOFLAGS: '' };
  const { code, stderr } = await run('go', ['build', '-o', program, source], { env, timeoutMs: 120_000 });
  assert.equal(code, 0, stderr);
  return program;
}
