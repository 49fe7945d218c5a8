import type { CommandDefinition } from './command.ts';
import { archive } from './commands/archive.ts';
import { backup } from './commands/backup.ts';
import { bench } from './commands/bench.ts';
import { clients } from './commands/clients.ts';

import { completion } from './commands/completion.ts';
import { config } from './commands/config.ts';
import { doctor } from './commands/doctor.ts';
import { find } from './commands/find.ts';
import { importCommand } from './commands/import.ts';
import { outbox } from './commands/outbox.ts';
import { pub } from './commands/pub.ts';
import { query } from './commands/query.ts';
import { replay } from './commands/replay.ts';
import { restore } from './commands/restore.ts';
import { retained } from './commands/retained.ts';
import { schema } from './commands/schema.ts';
import { source } from './commands/source.ts';
import { sub } from './commands/sub.ts';
import { tls } from './commands/tls.ts';
import { up } from './commands/up.ts';
import { user } from './commands/user.ts';
import { version } from './commands/version.ts';

/** Every command, in the order of the help. A new one is one file in commands/ and one line here. */
const COMMANDS: readonly CommandDefinition[] = [
  up,
  pub,
  sub,
  find,
  replay,
  query,
  archive,
  retained,
  clients,
  outbox,
  source,
  schema,
  user,
  backup,
  restore,
  config,
  importCommand,
  tls,
  doctor,
  bench,
  completion,
  version,
];

/**
 * Every command, with the subcommands that are loaded only when somebody asks for them.
 * @param words of the command line that may name one. Default: all are loaded
 */
export function loadCommands(words?: readonly string[]): Promise<readonly CommandDefinition[]> {
  return Promise.all(
    COMMANDS.map(async (definition) => {
      if (!definition.load || (words && !words.includes(definition.name))) return definition;
      return { ...definition, commands: [...(definition.commands ?? []), ...(await definition.load())] };
    }),
  );
}
