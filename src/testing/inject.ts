import { Child } from './child.ts';

/** System calls of a running process that fail, until it is disposed. */
export interface Injection extends AsyncDisposable {
  /** Lets the process go on unharmed. */
  end(): Promise<void>;
}

/**
 * Makes system calls of a running process fail, by strace. Resolves once every thread is watched.
 * @param rules strace's own `call:error=EIO:when=1`; `when` counts within each thread
 * @param path only calls on this file
 */
export async function injectFaults(pid: number, rules: string[], path?: string): Promise<Injection> {
  const inject = rules.flatMap((rule) => ['-e', `inject=${rule}`]);
  const calls = rules.map((rule) => rule.split(':')[0]).join(',');
  const strace = new Child('strace', ['-f', '-p', String(pid), '-e', `trace=${calls}`, ...inject, ...(path ? ['-P', path] : [])]);
  await strace.line((line) => (line.includes('attached') ? true : undefined), 10_000, 'attaching to the process');
  const end = async (): Promise<void> => {
    if (strace.exit === undefined) await strace.kill('SIGINT');
  };
  return { end, [Symbol.asyncDispose]: end };
}
