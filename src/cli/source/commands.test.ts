import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { sourceCommands } from './commands.ts';

test('the examples of each source, and of its trial, have only flags that the command takes', () => {
  const commands = sourceCommands().flatMap(({ commands = [], ...one }) => [one, ...commands]);
  const unknown = commands.flatMap(({ name, define, examples }) => {
    const command = new Command(name);
    define?.(command);
    const known = new Set(command.options.flatMap(({ short, long }) => [short, long]));
    const given = examples.flatMap(([line]) => line.split(' -- ')[0]!.match(/(?<= )--?[a-z][a-z-]*/g) ?? []);
    return given.filter((flag) => !known.has(flag)).map((flag) => `${examples[0]![0]}: ${flag}`);
  });
  assert.equal(commands.length, 15);
  assert.deepEqual(unknown, []);
});
