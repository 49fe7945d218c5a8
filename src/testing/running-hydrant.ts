import type { Child, Exit } from './child.ts';
import type { TempFolder } from './temp-folder.ts';

export type LogEntry = Record<string, unknown>;

/** A `hydrant` command that runs until it is ended. */
export class RunningHydrant implements AsyncDisposable {
  readonly child: Child;
  readonly #folder: TempFolder | undefined;

  /** @param folder removed when this is disposed */
  constructor(child: Child, folder?: TempFolder) {
    this.child = child;
    this.#folder = folder;
  }

  /** Everything it logged so far, parsed; lines that are not JSON are left out. */
  get log(): LogEntry[] {
    return this.child.lines.map(parseEntry).filter((entry) => entry !== undefined);
  }

  /** Resolves with the first log entry, past or to come, that `match` accepts. */
  logged(match: (entry: LogEntry) => boolean, what: string, timeoutMs = 20_000): Promise<LogEntry> {
    const look = (line: string): LogEntry | undefined => {
      const entry = parseEntry(line);
      return entry && match(entry) ? entry : undefined;
    };
    return this.child.line(look, timeoutMs, what);
  }

  /** Ends it at once, as a crash would. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    return this.child.kill(signal);
  }

  /** SIGTERM, then its exit. */
  stop(): Promise<Exit> {
    return this.child.kill('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    await this.#folder?.[Symbol.asyncDispose]();
  }
}

/** A line of its log as a value; undefined when it is no JSON. */
function parseEntry(line: string): LogEntry | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogEntry;
  } catch {
    return undefined;
  }
}

/** A ready line. */
export function parseReady(line: string): LogEntry | undefined {
  const entry = parseEntry(line);
  return entry?.event === 'ready' ? entry : undefined;
}
