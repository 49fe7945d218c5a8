import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { z } from 'zod';
import { byteSize, duration, filePath } from '../../core/option-types.ts';
import type { SourceKind } from '../../sources/source.ts';
import { addKindFlags, flagName, givenOptions, kindFlags } from './kind-flags.ts';

const kind = {
  name: 'x',
  options: z.strictObject({
    host: z.string().describe('The server.'),
    port: z.int().default(29_418).describe('Its port.'),
    hostKeyCheck: z.enum(['strict', 'off']).default('strict').describe('Whether its key must be known.'),
    type: z.array(z.string()).default([]).meta({ short: 's' }).describe('Types wanted.'),
    agent: z.union([z.string(), z.boolean()]).optional().describe('SSH agent.'),
    silent: z.boolean().default(false).describe('Say nothing.'),
    tests: z.boolean().default(true).describe('Tests too.'),
    silence: duration().prefault('5m').describe('How long.'),
    maxLine: byteSize().prefault('8MiB').describe('How much.'),
    key: filePath().optional().describe('PEM file.'),
    password: z.string().optional().meta({ secret: true }).describe('A secret.'),
    eventsLog: z.strictObject({ url: z.string().optional().describe('Where.') }).prefault({}),
    hooks: z.array(z.strictObject({ path: z.string() })).default([]),
  }),
} as unknown as SourceKind;

function parse(...words: string[]): unknown {
  const flags = kindFlags(kind);
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addKindFlags(command, flags);
  command.parse(words, { from: 'user' });
  return givenOptions(flags, command.opts());
}

test('what is given has the shape of the options, and what is not given is not there', () => {
  assert.deepEqual(parse(), {});
  assert.deepEqual(
    parse(
      '--host',
      '29418',
      '--port',
      '1',
      '--host-key-check',
      'off',
      '-s',
      'a',
      '--type',
      '7',
      '--silent',
      '--no-tests',
      '--events-log-url',
      'u',
    ),
    { host: '29418', port: 1, hostKeyCheck: 'off', type: ['a', '7'], silent: true, tests: false, eventsLog: { url: 'u' } },
  );
  assert.deepEqual(parse('--agent', '--silence', '0', '--max-line', '4096'), { agent: true, silence: 0, maxLine: 4096 });
  assert.deepEqual(parse('--agent', '/run/agent', '--silence', '5m', '--password-file', 'p'), {
    agent: '/run/agent',
    silence: '5m',
    passwordFile: 'p',
  });
});

test('every value given so satisfies the schema, or the schema says why not', () => {
  const good = parse('--host', 'h', '--silence', '0', '--max-line', '4096', '--agent');
  assert.equal(kind.options.safeParse(good).success, true);
  assert.throws(() => parse('--port', 'many'), /Give a number/);
  assert.throws(() => parse('--host-key-check', 'maybe'), /Allowed choices are strict, off/);
});

test('the help says what a flag takes, and its default', () => {
  const shown = kindFlags(kind).map(({ option }) => [option.flags, option.description]);
  assert.deepEqual(shown.slice(0, 4), [
    ['--host <value>', 'the server'],
    ['--port <number>', 'its port (default: 29418)'],
    ['--host-key-check <name>', 'whether its key must be known (default: strict)'],
    ['-s, --type <value>', 'types wanted; repeatable'],
  ]);
  assert.deepEqual(shown.find(([flags]) => flags === '--key <file>')?.[1], 'PEM file');
  assert.ok(shown.some(([flags]) => flags === '--silence <time>') && shown.some(([flags]) => flags === '--max-line <size>'));
  assert.ok(!shown.some(([flags]) => flags!.includes('hooks')), 'lists of sections are for the configuration');
});

test('a path is named as its flag', () => {
  assert.equal(flagName(['eventsLog', 'url']), '--events-log-url');
  assert.equal(flagName(['type', 0]), '--type');
});
