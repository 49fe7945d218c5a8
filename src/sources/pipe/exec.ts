import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { HydrantError, systemCode } from '../../core/errors.ts';
import type { SourceContext, SourceKind } from '../source.ts';
import { LineEvents, linesOf } from './line-events.ts';
import { type ExecOptions, execOptions } from './options.ts';

/** Between SIGTERM and SIGKILL, for the command and all that it started. */
const GRACE_MS = 5000;
const MAX_LOG_LINE = 4096;

type Command = ChildProcess & { stdout: Readable; stderr: Readable };

/** A command at work. It goes on when its lines cannot be stored for a while: nobody prints them twice. */
interface Running {
  lines: AsyncGenerator<Buffer>;
  logged: Promise<void>;
  closed: Promise<[number | null, NodeJS.Signals | null]>;
}

/** Lines that a command prints. */
export const exec: SourceKind<ExecOptions> = {
  name: 'exec',
  summary: 'lines that a command prints; it is run again when it ends',
  options: execOptions,
  positional: 'command',
  schemas: [],
  examples: [['-t kernel/log --url mqtt://mq -- journalctl -f -k -o json', 'everything behind -- is the command']],
  async open(options, context) {
    const events = new LineEvents(options, context);
    let running: Running | undefined;
    return {
      async run(signal) {
        await events.publishAgain();
        running ??= run(await start(options), { events, context, signal });
        context.up();
        await Promise.all([events.publishFrom(running.lines), running.logged]);
        const [code, killed] = await running.closed;
        running = undefined;
        if (!signal.aborted) settle(options, code, killed);
      },
      async *test(signal) {
        const child = await start(options);
        yield { ok: true, what: `started ${options.command.join(' ')}` };
        const stop = (): void => end(child);
        signal.addEventListener('abort', stop, { once: true });
        const closed = once(child, 'close') as Running['closed'];
        const complaint = lastLine(child.stderr);
        const isEnough = yield* events.firstOf(child.stdout);
        if (isEnough) return end(child);
        const [code, killed] = await closed;
        if (signal.aborted) return;
        const said = await complaint;
        if (code === 0) yield { ok: true, what: ending(options, code, killed) };
        else {
          const why = `${ending(options, code, killed)}${said === '' ? '' : `: ${said}`}`;
          yield { ok: false, what: 'the command', why, fix: 'Run it by hand to see why it fails.' };
        }
      },
    };
  },
};

/** In a process group of its own, so that what it starts ends with it. @throws HYD_CONFIG when there is no such program */
async function start({ command, cwd }: ExecOptions): Promise<Command> {
  const [program, ...args] = command;
  const child = spawn(program!, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  try {
    await once(child, 'spawn');
  } catch (error) {
    const why =
      systemCode(error) === 'ENOENT'
        ? cwd === undefined
          ? 'there is no such program'
          : 'there is no such program, or no such folder to run it in'
        : String(error);
    throw new HydrantError('HYD_CONFIG', `${program} cannot be run: ${why}`, {
      cause: error,
      fix: 'Give a program that is in PATH, or its whole path, behind --.',
    });
  }
  return child;
}

function run(child: Command, { events, context, signal }: { events: LineEvents; context: SourceContext; signal: AbortSignal }): Running {
  const stop = (): void => end(child);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  child.once('close', () => signal.removeEventListener('abort', stop));
  const closed = once(child, 'close') as Running['closed'];
  return { lines: events.linesOf(child.stdout), logged: logLines(child.stderr, context), closed };
}

function end(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  signalGroup(child, 'SIGTERM');
  const last = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
  child.once('close', () => clearTimeout(last));
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // It has ended by itself.
  }
}

/** Whether its end is the end of the source. @throws HYD_SOURCE: again, or, when no repetition is wanted, for good */
function settle(options: ExecOptions, code: number | null, signal: NodeJS.Signals | null): void {
  const { restart } = options;
  const failed = code !== 0;
  const what = ending(options, code, signal);
  if (restart === 'always' || (restart === 'on-failure' && failed))
    throw new HydrantError('HYD_SOURCE', what, { fix: 'Run the command by hand to see why it ends; --restart says when it is run again.' });
  if (failed)
    throw new HydrantError('HYD_SOURCE', what, {
      retryable: false,
      fix: 'Run the command by hand to see why it fails, or give --restart on-failure.',
    });
}

function ending({ command }: ExecOptions, code: number | null, signal: NodeJS.Signals | null): string {
  return `${command[0]} ended ${signal ? `by ${signal}` : `with exit code ${code}`}`;
}

async function lastLine(stream: Readable): Promise<string> {
  let last = '';
  for await (const line of linesOf(stream, MAX_LOG_LINE, () => {})) last = line.toString();
  return last;
}

async function logLines(stream: Readable, context: SourceContext): Promise<void> {
  for await (const line of linesOf(stream, MAX_LOG_LINE, () => {})) context.log('info', line.toString(), { stream: 'stderr' });
}
