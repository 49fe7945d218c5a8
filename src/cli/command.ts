import type { Command } from 'commander';
import type { Io } from './io.ts';

/** One command line given. */
export interface Call<Options> {
  args: string[];
  options: Options;
  io: Io;
}

/** One command: what it takes, what it does, how it is explained. One file each; `commands.ts` lists them. */
export interface CommandDefinition<Options = unknown> {
  readonly name: string;
  readonly summary: string;
  /** What the summary leaves out: a paragraph each. */
  readonly notes?: readonly string[];
  readonly examples: readonly Example[];
  /** Adds arguments and options to commander's command. */
  define?(command: Command): void;
  readonly commands?: readonly CommandDefinition[];
  /** More of them, loaded only when the command is asked for: what they stand for is heavy. */
  load?(): Promise<readonly CommandDefinition[]>;
  /** The command deals with SIGINT and SIGTERM itself. */
  readonly ownSignals?: boolean;
  /** Resolves with the exit code, 0 when it says nothing. */
  run?(call: Call<Options>): Promise<number | undefined>;
}

/** A command line, and what it does. */
type Example = readonly [line: string, what: string];

/** Gives a definition its place in the list, whatever its options look like. */
export function defineCommand<Options>(definition: CommandDefinition<Options>): CommandDefinition {
  return definition as CommandDefinition;
}
