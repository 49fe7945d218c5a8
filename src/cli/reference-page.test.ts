import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { CommandDefinition } from './command.ts';
import { loadCommands } from './commands.ts';
import { cliPage } from './reference-page.ts';

test('docs/reference/cli.md says what the commands say (if not: npm run docs)', async () => {
  assert.equal(readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8'), await cliPage());
});

test('every command that does something has an example', async () => {
  const all = (definitions: readonly CommandDefinition[]): CommandDefinition[] =>
    definitions.flatMap((one) => [one, ...all(one.commands ?? [])]);
  for (const definition of all(await loadCommands())) if (definition.run) assert.ok(definition.examples.length > 0, definition.name);
});
