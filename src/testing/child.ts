import { type ChildProcess, spawn } from 'node:child_process';
import { within } from './deadline.ts';

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  cwd?: string;
  /** Added to this process's environment; `undefined` removes a variable. */
  env?: Record<string, string | undefined>;
  /** Written to standard input, which is then closed. */
  input?: string | Uint8Array;
}

export interface Output extends Exit {
  stdout: string;
  stderr: string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A program that a test started: its lines as they come, and its end. Killed by its own id, also when the test process ends first. */
export class Child implements AsyncDisposable {
  readonly name: string;
  readonly exited: Promise<Exit>;
  /** Both streams, line by line, as they came. */
  readonly lines: string[] = [];
  stdout = '';
  stderr = '';
  exit: Exit | undefined;
  readonly #process: ChildProcess;
  readonly #watchers = new Set<() => void>();

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    this.name = `${command} ${args.join(' ')}`;
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env };
    this.#process = spawn(command, args, { cwd: options.cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(this.#process);
    this.#collect('stdout');
    this.#collect('stderr');
    this.#process.stdin?.on('error', () => {});
    this.#process.stdin?.end(options.input);
    this.exited = new Promise((resolve, reject) => {
      this.#process.once('error', reject);
      this.#process.once('close', (code, signal) => {
        running.delete(this.#process);
        this.exit = { code, signal };
        this.#wake();
        resolve(this.exit);
      });
    });
    this.exited.catch(() => running.delete(this.#process));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Sends a signal and resolves when the process has ended. */
  async kill(signal: NodeJS.Signals = 'SIGKILL', timeoutMs = 30_000): Promise<Exit> {
    this.signal(signal);
    return within(this.exited, timeoutMs, `${this.name} to end after ${signal}\n${this.text()}`);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.exit === undefined) this.#process.kill(signal);
  }

  /** Resolves with the first line, already seen or to come, for which `match` gives something. Rejects when the process ends before. */
  async line<T>(match: (line: string) => T | undefined, timeoutMs: number, what: string): Promise<T> {
    let next = 0;
    const found = Promise.withResolvers<T>();
    const look = (): void => {
      for (; next < this.lines.length; next++) {
        const value = match(this.lines[next] as string);
        if (value !== undefined) {
          found.resolve(value);
          return;
        }
      }
      if (this.exit) found.reject(new Error(`${this.name} ended (${JSON.stringify(this.exit)}) before ${what}\n${this.text()}`));
    };
    this.#watchers.add(look);
    this.exited.catch(found.reject);
    look();
    try {
      return await within(found.promise, timeoutMs, () => `${what} from ${this.name}\n${this.text()}`);
    } finally {
      this.#watchers.delete(look);
    }
  }

  /** What it wrote, for a failure's message: the last lines at most. */
  text(): string {
    return this.lines.slice(-80).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.exit === undefined) await this.kill('SIGKILL').catch(() => {});
  }

  #collect(stream: 'stdout' | 'stderr'): void {
    let rest = '';
    this.#process[stream]?.setEncoding('utf8').on('data', (text: string) => {
      this[stream] += text;
      const lines = (rest + text).split('\n');
      rest = lines.pop() as string;
      this.lines.push(...lines);
      this.#wake();
    });
    this.#process[stream]?.on('end', () => {
      if (rest !== '') this.lines.push(rest);
    });
  }

  #wake(): void {
    for (const look of this.#watchers) look();
  }
}

/** Runs a program to its end. */
export async function run(command: string, args: readonly string[], options: ChildOptions & { timeoutMs?: number } = {}): Promise<Output> {
  await using child = new Child(command, args, options);
  const exit = await within(child.exited, options.timeoutMs ?? 30_000, () => `${child.name} to end\n${child.text()}`);
  return { ...exit, stdout: child.stdout, stderr: child.stderr };
}
