import type { Command, Option } from 'commander';
import type { CommandDefinition } from './command.ts';
import { loadCommands } from './commands.ts';
import { cell, code, sentence } from './markdown.ts';
import { buildProgram } from './program.ts';
import { WHERE_VARIABLES } from './where.ts';

/** docs/reference/cli.md, from the command tree. */
export async function cliPage(): Promise<string> {
  const commands = await loadCommands();
  const program = buildProgram(commands, { stdout: process.stdout }, async () => {});
  const sections = commands.flatMap((definition) =>
    describe(definition, program.commands.find((command) => command.name() === definition.name)!, 'hydrant'),
  );
  return `# The command line

${commands.map((definition) => `- [\`hydrant ${definition.name}\`](#hydrant-${definition.name}): ${definition.summary}`).join('\n')}

**What is printed.** A table on a terminal, NDJSON in a pipe; \`-o\` says otherwise. On a terminal, control characters in topics and
payloads are shown as escapes. Progress goes to stderr, and only to a terminal. \`NO_COLOR\` turns colours off.
\`HYDRANT_DEBUG=1\` adds the stack to an error.

**Times** are UTC unless \`--tz\` names a zone. They are read as \`15m\` (so long ago), \`2d\`, \`now\`, \`today\`, \`yesterday\`, \`2026-11-21\` or
RFC 3339, and mean the time of arrival. \`--since\` is included, \`--until\` is not.

**The data folder** is \`--data\`, else \`HYDRANT_DATA\`, else the user's data directory. Commands that read it work whether its server runs
or not. **The server** is \`--url\`, else \`HYDRANT_URL\`, else \`mqtt://127.0.0.1:1883\`; the account \`HYDRANT_USER\` and \`HYDRANT_PASSWORD\` or
\`HYDRANT_PASSWORD_FILE\`.

| exit code | meaning |
| --- | --- |
| 0 | ok |
| 1 | failed |
| 2 | usage: an argument, a filter, an expression or the configuration is wrong |
| 3 | partial: done, but something was damaged or left out; stderr says what |
| 4 | no connection, the account was refused, or somebody else has the client id |
| 5 | timeout |
| 130 | interrupted |

${sections.join('\n\n')}

## Expressions

\`--where\` takes a [CEL](https://cel.dev) expression over one event. An event on which it cannot be evaluated (a field that it lacks) does
not match. Numbers from JSON may be mixed with whole numbers.

| variable | type | meaning |
| --- | --- | --- |
${Object.entries(WHERE_VARIABLES)
  .map(
    ([name, [type, meaning]]) =>
      `| \`${name}\` | ${type === 'dyn' ? 'any' : `\`${type.replace('google.protobuf.', '')}\``} | ${cell(meaning)} |`,
  )
  .join('\n')}

Generated from \`src/cli/commands/\` by \`npm run docs\`.
`;
}

function describe(definition: CommandDefinition, command: Command, parent: string): string[] {
  const path = `${parent} ${definition.name}`;
  const children = (definition.commands ?? []).flatMap((child) =>
    describe(child, command.commands.find((one) => one.name() === child.name)!, path),
  );
  if (!definition.run) return [`## ${path}\n\n${sentence(definition.summary)}`, ...children];
  const parts = [`${parent === 'hydrant' ? '##' : '###'} ${path}\n\n${sentence(definition.summary)}`, ...(definition.notes ?? [])];
  parts.push(`    ${path} ${command.usage()}`);
  const options = command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => option.long !== '--help');
  if (options.length > 0) parts.push(`| option | meaning |\n| --- | --- |\n${options.map(optionRow).join('\n')}`);
  if (definition.examples.length > 0) parts.push(definition.examples.map(([line, what]) => `    ${line}\n        # ${what}`).join('\n'));
  return [parts.join('\n\n'), ...children];
}

function optionRow(option: Option): string {
  const choices = option.argChoices ? ` One of ${option.argChoices.join(', ')}.` : '';
  const standard =
    option.defaultValue === undefined || option.defaultValue === false
      ? ''
      : ` Default: ${option.defaultValueDescription ?? String(option.defaultValue)}.`;
  return `| ${code(option.flags)} | ${cell(sentence(option.description) + choices + standard)} |`;
}
