import { type ConfigKey, expectedWords, listKeys } from '../src/app/config-keys.ts';
import { configSchema } from '../src/app/config-schema.ts';
import { cell } from '../src/cli/markdown.ts';

/** docs/reference/config.md, from the schema in src/app/config-schema.ts. */
export function configPage(): string {
  const rows = [...listKeys(configSchema).keys.values()].map(
    (key) => `| \`${key.path}\` | ${takes(key)} | ${shown(key.node.default)} | ${cell(key.node.description ?? '')} |`,
  );
  return `# Configuration

Hydrant runs without any configuration. What is set comes from one YAML file, from the environment and from flags; the later wins:

1. the default in the table below,
2. the file: \`--config FILE\`, else \`HYDRANT_CONFIG\`, else \`hydrant.yaml\` in the data folder when there is one,
3. the environment: \`listeners.mqtt.port\` is \`HYDRANT_LISTENERS_MQTT_PORT\`, \`journal.maxPendingBytes\` is \`HYDRANT_JOURNAL_MAX_PENDING_BYTES\`;
   with \`_FILE\` behind it the variable names a file that holds the value; an empty variable counts as unset,
4. \`--set path=value\`, as often as wanted, and \`--data DIR\`. Values are YAML: \`--set 'journal.exclude=[noise/#]'\`.

An unknown key or variable is refused with the nearest valid one, a wrong value with file, line, column and what was expected.
\`hydrant config check\` checks without starting anything, \`hydrant config show --origin\` says where each value comes from, and
\`hydrant config schema\` prints the JSON Schema for your editor.

The data folder is \`--data\`, else \`HYDRANT_DATA\`, else \`data\` in the file, else the user's data directory (\`$XDG_DATA_HOME/hydrant\`,
\`~/.local/share/hydrant\`, on macOS \`~/Library/Application Support/hydrant\`).

Durations are written with units (\`250ms\`, \`15m\`, \`1h30m\`, \`7d\`; \`0\` switches off), sizes as bytes or with units (\`64KiB\`, \`128MiB\`, \`10GB\`).

| key | takes | default | what it does |
| --- | --- | --- | --- |
${rows.join('\n')}

After \`kill -HUP\` the configuration is read and checked again. A mistake is logged and nothing changes; what can change in a running server
does, and the log names the keys that need a restart.

Generated from \`src/app/config-schema.ts\` by \`npm run docs\`.
`;
}

function takes({ node }: ConfigKey): string {
  return node.examples ? `such as ${node.examples.map((example) => `\`${example}\``).join(', ')}` : expectedWords(node);
}

function shown(value: unknown): string {
  if (value === undefined) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}
