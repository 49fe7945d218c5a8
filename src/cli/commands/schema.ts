import type { CommandDefinition } from '../command.ts';

export const schema: CommandDefinition = {
  name: 'schema',
  summary: 'what the events of sources look like, and whether events do',
  examples: [],
  load: async () => (await import('../schema/commands.ts')).SCHEMA_COMMANDS,
};
