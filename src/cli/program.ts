import { Command, CommanderError } from 'commander';
import { HydrantError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { packageVersion } from '../core/version.ts';
import type { CommandDefinition } from './command.ts';
import { EXIT } from './exit-codes.ts';
import type { Io } from './io.ts';

/** What a command line came to: the command, its name in full, arguments and options. */
export type OnRun = (definition: CommandDefinition, path: string, args: string[], options: unknown) => Promise<void>;

/**
 * The whole command tree on commander. `run` of a command goes through `onRun`, so that a reader of the tree
 * (completion, the reference page) can build it without running anything.
 */
export function buildProgram(commands: readonly CommandDefinition[], io: Pick<Io, 'stdout'>, onRun: OnRun): Command {
  const program = new Command('hydrant')
    .description('An event bus that never loses an event it has acknowledged.')
    .version(packageVersion(), '--version', 'print the version')
    .enablePositionalOptions()
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', '\nExit codes: 0 ok · 1 failed · 2 usage · 3 partial · 4 connect or account · 5 timeout · 130 interrupted');
  prepare(program, io);
  for (const definition of commands) add(program, definition, io, onRun);
  return program;
}

function add(parent: Command, definition: CommandDefinition, io: Pick<Io, 'stdout'>, onRun: OnRun): void {
  const command = parent.command(definition.name);
  command.summary(definition.summary).description([capitalised(definition.summary), ...(definition.notes ?? [])].join('\n\n'));
  if (definition.examples.length > 0) {
    command.addHelpText('after', `\nExamples:\n${definition.examples.map(([line, what]) => `  ${line}\n      ${what}`).join('\n')}`);
  }
  prepare(command, io);
  definition.define?.(command);
  for (const child of definition.commands ?? []) add(command, child, io, onRun);
  if (!definition.run) return;
  command.action(() => {
    const args = command.processedArgs.flat().filter((arg) => arg !== undefined) as string[];
    return onRun(definition, commandPath(command), args, command.opts());
  });
}

function prepare(command: Command, io: Pick<Io, 'stdout'>): void {
  command.configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: () => {},
    getOutHelpWidth: () => io.stdout.columns || 100,
  });
  command.exitOverride((error) => {
    if (error.exitCode === 0) throw error;
    throw usageError(command, error);
  });
}

function usageError(command: Command, error: CommanderError): HydrantError {
  const path = commandPath(command);
  if (error.code === 'commander.excessArguments' && command.commands.length > 0) return unknownCommand(command);
  const message =
    error.code === 'commander.help'
      ? `${path} needs a subcommand: ${command.commands.map((child) => child.name()).join(', ')}`
      : error.message.replace(/^error: /, '');
  const [what, ...hints] = message.split('\n');
  const hint = hints.join(' ').replace(/^\(|\)$/g, '');
  return new HydrantError('HYD_USAGE', what!, { fix: `${hint ? `${hint} ` : ''}Run \`${path} --help\` for what it takes.`, cause: error });
}

/** Of a command that does something itself and has subcommands: commander takes their names for arguments. */
function unknownCommand(command: Command): HydrantError {
  const [name = ''] = command.args;
  const meant = nearest(
    name,
    command.commands.map((child) => child.name()),
  );
  const hint = meant === undefined ? '' : `Did you mean ${meant}? `;
  return new HydrantError('HYD_USAGE', `unknown command '${name}'`, {
    fix: `${hint}Run \`${commandPath(command)} --help\` for what it takes.`,
  });
}

/** `hydrant archive ls`. */
function commandPath(command: Command): string {
  return command.parent ? `${commandPath(command.parent)} ${command.name()}` : command.name();
}

/** Whether commander ended on purpose: help or version was printed. */
export function isPrinted(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === EXIT.ok;
}

function capitalised(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

/** What `hydrant` alone prints. */
export const FIRST_STEPS = `Hydrant: an event bus that never loses an event it has acknowledged.

Five things to try:
  hydrant up --demo                        start the bus, with events to look at
  hydrant sub -t '#' -v                    watch everything that happens
  hydrant pub -t demo/hello -m hi -q 1     publish; done means it is on disk
  hydrant find 'demo/#' --since 15m        look into what was kept
  hydrant doctor                           check this machine and what is running

\`hydrant --help\` lists every command, \`hydrant COMMAND --help\` explains one.
`;
