import type { CommandDefinition } from './command.ts';
import { backup } from './commands/backup.ts';
import { completion } from './commands/completion.ts';
import { config } from './commands/config.ts';
import { restore } from './commands/restore.ts';
import { version } from './commands/version.ts';

/** Every command, in the order of the help. A new one is one file in commands/ and one line here. */
export const COMMANDS: readonly CommandDefinition[] = [config, backup, restore, completion, version];
