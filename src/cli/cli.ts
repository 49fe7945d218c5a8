import { loadCommands } from './commands.ts';
import { printError } from './error-text.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import type { Io } from './io.ts';
import { READER_GONE } from './io.ts';
import { buildProgram, FIRST_STEPS, isPrinted, type OnRun } from './program.ts';

/**
 * Runs one command line and resolves with its exit code; errors are printed to `io.stderr`, never thrown.
 * @param args without node and the script
 * @param watchSignals called before a command that leaves SIGINT and SIGTERM to us
 */
export async function runCli(args: string[], io: Io, watchSignals?: () => void): Promise<number> {
  if (args.length === 0) {
    io.stdout.write(FIRST_STEPS);
    return EXIT.ok;
  }
  let code: number = EXIT.ok;
  let name = 'hydrant';
  const run: OnRun = async (definition, path, given, options) => {
    name = path;
    if (!definition.ownSignals) watchSignals?.();
    code = (await definition.run!({ args: given, options, io })) ?? EXIT.ok;
  };
  try {
    await buildProgram(await loadCommands(args), io, run).parseAsync(args, { from: 'user' });
    return io.signal.aborted ? endOf(io, name, io.signal.reason) : code;
  } catch (error) {
    if (isPrinted(error)) return EXIT.ok;
    if (io.signal.aborted) return endOf(io, name, error);
    printError(io, name, error);
    return exitCodeOf(error);
  }
}

/** Stopped from outside: by a signal, by a reader that went, by an output that cannot be written. */
function endOf(io: Io, name: string, error: unknown): number {
  const { reason } = io.signal;
  if (reason === READER_GONE) return EXIT.ok;
  if (exitCodeOf(reason) !== EXIT.interrupted) {
    printError(io, name, reason);
    return EXIT.failed;
  }
  if (error !== reason && exitCodeOf(error) === EXIT.interrupted) printError(io, name, error);
  return EXIT.interrupted;
}
