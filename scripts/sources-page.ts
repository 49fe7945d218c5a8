import { cell, code, sentence } from '../src/cli/markdown.ts';
import { kindFlags } from '../src/cli/source/kind-flags.ts';
import { SOURCES } from '../src/sources/registry.ts';
import type { SourceKind } from '../src/sources/source.ts';

/** docs/reference/sources.md, from the options of the kinds in src/sources/. */
export function sourcesPage(): string {
  return `# Sources

Each kind is a command, \`hydrant source NAME\`, and a section of the configuration that \`hydrant up\` runs:

    sources:
      gerrit: { host: review.example.org, user: hydrant, key: /etc/hydrant/id_ed25519 }
      other: { kind: gerrit, host: other.example.org, user: hydrant, key: /etc/hydrant/id_ed25519 }

The flag \`--host-key-check\` is the key \`hostKeyCheck\`, \`--events-log-url\` is \`url\` in the section \`eventsLog\`. Relative paths start at the folder of the
configuration file. A secret may stand in a file (\`passwordFile\`, \`--password-file\`) or, for a command, in \`HYDRANT_SOURCE_PASSWORD\`. Every section
also takes \`kind\` (default: its name) and \`strict\` (refuse events that do not match their schema). How it all works: [sources.md](../guide/sources.md).

${SOURCES.map(section).join('\n\n')}

Generated from \`src/sources/\` by \`npm run docs\`.
`;
}

function section(kind: SourceKind): string {
  const rows = kindFlags(kind).map(({ path, option }) => {
    const choices = option.argChoices ? ` One of ${option.argChoices.join(', ')}.` : '';
    return `| \`${path.join('.')}\` | ${code(option.flags)} | ${cell(sentence(option.description))}${choices} |`;
  });
  const positional = kind.positional ? `| \`${kind.positional}\` | behind \`--\` | a list: what to run |\n` : '';
  return `## ${kind.name}
${sentence(kind.summary)}

| key | flag | meaning |
| --- | --- | --- |
${positional}${rows.join('\n')}

${kind.examples.map(([words, what]) => `    hydrant source ${kind.name} ${words}\n        # ${what}`).join('\n')}`;
}
