import { cell, code } from '../src/cli/markdown.ts';
import { baseOf } from '../src/sources/catalogue/bases.ts';
import { kindOf, SCHEMAS } from '../src/sources/catalogue/schemas.ts';
import type { EventSchema, JsonSchema } from '../src/sources/schema.ts';

/** docs/reference/events.md, from the schemas of the kinds in src/sources/. */
export function eventsPage(): string {
  const kinds = Map.groupBy(SCHEMAS, kindOf);
  return `# Events

What the sources of Hydrant publish: ${[...kinds.keys()].map((kind) => `[${kind}](#${kind})`).join(', ')}. Payloads are JSON. What an upstream sends as JSON passes
through byte for byte, with fields that stand here and others; what is not marked as always there may be missing.

    hydrant schema ls                             this list
    hydrant schema show gerrit.comment-added      the JSON Schema, draft 2020-12, of one
    hydrant schema validate events.ndjson         which events do not match, and why; exit code 1 then
    hydrant schema asyncapi > asyncapi.json       all of it as AsyncAPI 3.0

Names in braces are levels that vary: \`{base}\` is the option \`base\` of the source, here with its default; \`{project...}\` may be several levels, or none when
the event has no project. An event that does not match its schema is published and counted; with \`strict\` it is refused.

## As CloudEvents
\`hydrant schema cloudevents\` prints events as [CloudEvents 1.0](https://cloudevents.io), in the JSON format; with \`--mode binary\` as the MQTT 5 binding sends them:
the payload as it is, each attribute a user property.

| attribute | from | in MQTT 5 |
| --- | --- | --- |
| \`specversion\` | \`1.0\` | user property |
| \`id\` | the event's id (\`hydrant-id\`), the same in each repeat; without one its arrival time and sequence, or where it has no sequence a new one | user property |
| \`source\` | \`/hydrant/\` and the source, or the client id of the publisher | user property |
| \`type\` | \`hydrant.\` and the name of the schema; \`hydrant.event\` without one | user property |
| \`subject\` | the topic | user property |
| \`time\` | when it happened, as its publisher says, else when it arrived | user property |
| \`datacontenttype\` | the content type | content type |
| \`dataschema\` | \`urn:hydrant:schema:\` and the name, the \`$id\` that \`schema show\` prints | user property |
| \`sequence\` | its sequence in the journal, 16 digits | user property |
| \`data\`, \`data_base64\` | the payload: as JSON or text, else in base64 | payload |

${[...kinds].map(([kind, schemas]) => section(kind, schemas)).join('\n\n')}

Generated from \`src/sources/\` by \`npm run docs\`.
`;
}

function section(kind: string, schemas: readonly EventSchema[]): string {
  const rows = schemas.map((schema) => `| [${schema.name}](#${anchor(schema.name)}) | \`${topicOf(schema)}\` | ${cell(schema.title)} |`);
  return `## ${kind}

| name | topic | what |
| --- | --- | --- |
${rows.join('\n')}

${schemas.map(event).join('\n\n')}`;
}

function event(schema: EventSchema): string {
  const { name, title, examples } = schema;
  const { summary, severity } = schema.derive(examples[0], topicOf(schema));
  const told = `In a line: *${summary}* (${severity}).`;
  return `### ${name}
${title}. Topic: \`${topicOf(schema)}\`

${fields(schema.schema)}

\`\`\`json
${JSON.stringify(examples[0], undefined, 2)}
\`\`\`
${told}`;
}

function fields({ properties, required, patternProperties, type, description }: JsonSchema): string {
  const always = new Set(required as string[] | undefined);
  const rows = Object.entries((properties ?? {}) as Record<string, JsonSchema>).map(([name, field]) => {
    const there = always.has(name) ? 'Always there. ' : '';
    return `| \`${name}\` | ${cell(typeOf(field))} | ${cell(`${there}${meaningOf(field)}`.trim())} |`;
  });
  for (const [pattern, field] of Object.entries((patternProperties ?? {}) as Record<string, JsonSchema>))
    rows.push(`| ${code(`/${pattern}/`)} | ${cell(typeOf(field))} | |`);
  if (rows.length === 0) return `${[type].flat().join(' or ')}. ${description ?? ''}`.trim();
  return `| field | type | meaning |\n| --- | --- | --- |\n${rows.join('\n')}`;
}

function typeOf({ type, anyOf, oneOf, items, const: only, enum: some }: JsonSchema): string {
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  if (some !== undefined) return (some as unknown[]).map((one) => `\`${JSON.stringify(one)}\``).join(', ');
  const forms = (anyOf ?? oneOf) as JsonSchema[] | undefined;
  if (forms) return [...new Set(forms.map(typeOf))].join(' or ');
  if (items !== undefined) return `array of ${typeOf(items as JsonSchema)}`;
  return type === undefined ? 'any' : [type].flat().join(' or ');
}

function meaningOf(field: JsonSchema): string {
  const { description, properties, items, examples, format, anyOf, oneOf } = field;
  const inner = properties ?? (items as JsonSchema | undefined)?.properties;
  const parts = [
    description === undefined ? '' : `${String(description).replace(/[.]$/, '')}.`,
    format === 'date-time' ? 'RFC 3339.' : '',
    inner
      ? `With ${Object.keys(inner)
          .map((name) => `\`${name}\``)
          .join(', ')}.`
      : '',
    examples ? `Such as ${(examples as unknown[]).map((one) => `\`${JSON.stringify(one)}\``).join(', ')}.` : '',
    ...((anyOf ?? oneOf ?? []) as JsonSchema[]).map(meaningOf),
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function topicOf(schema: EventSchema): string {
  return schema.topic.replace('{base}', baseOf(schema) ?? '{base}');
}

/** As GitHub makes one of a heading. */
function anchor(name: string): string {
  return name.replaceAll('.', '');
}
