import { Option } from 'commander';
import { HydrantError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import { packageVersion } from '../../core/version.ts';
import type { EventSchema } from '../../sources/schema.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { type Io, write } from '../io.ts';
import { type Format, outputOption } from '../options.ts';
import { chosenFormat, printRows, type RowColumn } from '../rows.ts';
import type { Mismatch } from './validate.ts';

type Listed = Pick<EventSchema, 'name' | 'topic' | 'title'>;

const LIST_COLUMNS: RowColumn<Listed>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'TOPIC', text: ({ topic }) => topic },
  { title: 'WHAT', text: ({ title }) => title },
];

const MISMATCH_COLUMNS: RowColumn<Mismatch>[] = [
  { title: 'LINE', text: ({ file, line }) => `${file}:${line}` },
  { title: 'SCHEMA', text: ({ schema }) => schema ?? '-' },
  { title: 'WHY', text: ({ why }) => why },
];

const ls = defineCommand<{ output?: Format }>({
  name: 'ls',
  summary: 'list the events of all sources: name of the schema, topic, what it is',
  examples: [['hydrant schema ls', 'what there is; docs/reference/events.md has the fields too']],
  define: (command) => void command.addOption(outputOption()),
  async run({ options, io }) {
    const { SCHEMAS } = await import('../../sources/catalogue/schemas.ts');
    const rows = SCHEMAS.map(({ name, topic, title }) => ({ name, topic, title }));
    await printRows(io, chosenFormat(io, options.output), LIST_COLUMNS, rows);
    return undefined;
  },
});

const show = defineCommand<{ example?: boolean; asyncapi?: boolean }>({
  name: 'show',
  summary: 'print the JSON Schema (draft 2020-12) of an event',
  examples: [
    ['hydrant schema show gerrit.comment-added', 'for any validator'],
    ['hydrant schema show launchpad.bug --example', 'a payload of it'],
  ],
  define: (command) =>
    void command
      .argument('<name>', 'as `hydrant schema ls` names it')
      .addOption(new Option('--example', 'print its examples instead, one after the other').conflicts('asyncapi'))
      .option('--asyncapi', 'print it as an AsyncAPI document instead'),
  async run({ args, options, io }) {
    const schema = await schemaOf(args[0]!);
    if (options.example) return print(io, ...schema.examples);
    if (options.asyncapi) return printAsyncApi(io, [schema]);
    const { schemaUri } = await import('../../sources/catalogue/schemas.ts');
    const { title, schema: body, examples } = schema;
    return print(io, { $schema: 'https://json-schema.org/draft/2020-12/schema', $id: schemaUri(schema), title, ...body, examples });
  },
});

const validate = defineCommand<{ schema?: string; topic?: string; output?: Format }>({
  name: 'validate',
  summary: 'say which events do not match the schema of their topic, and why',
  notes: [
    'Reads events, one a line, as `find` and `sub` print them with -o ndjson; with --schema or --topic payloads: JSON documents, a line each or over several lines. The exit code is 1 when one does not match. Events on topics without a schema are counted.',
  ],
  examples: [
    ["hydrant find 'gerrit/#' --since 1d -o ndjson | hydrant schema validate", 'what came yesterday'],
    ['hydrant schema validate --schema launchpad.bug bug.json', 'a payload of your own'],
  ],
  define: (command) =>
    void command
      .argument('[file...]', 'files to read; - or none is standard input')
      .addOption(new Option('--schema <name>', 'the lines are payloads of this schema').conflicts('topic'))
      .option('--topic <topic>', 'the lines are payloads of this topic')
      .addOption(outputOption()),
  async run({ args, options, io }) {
    const [{ validateLines }, { inputLines, inputPayloads }] = await Promise.all([import('./validate.ts'), import('./inputs.ts')]);
    const given = options.schema === undefined ? options.topic && (await schemaAt(options.topic)) : await schemaOf(options.schema);
    const tally = { matching: 0, mismatched: 0, unknown: 0, noEvents: 0 };
    const lines = given ? inputPayloads(args, io) : inputLines(args, io);
    await printRows(io, chosenFormat(io, options.output), MISMATCH_COLUMNS, validateLines(lines, given || undefined, tally));
    const { matching, mismatched, unknown, noEvents } = tally;
    const others = unknown > 0 ? `, ${unknown} on topics without a schema` : '';
    await write(io.stderr, `${matching} match, ${mismatched} ${mismatched === 1 ? 'does' : 'do'} not${others}\n`);
    if (noEvents > 0 && matching + unknown === 0)
      await write(io.stderr, 'Bare payloads are checked with --schema NAME or --topic TOPIC.\n');
    return mismatched > 0 ? EXIT.failed : EXIT.ok;
  },
});

const asyncapi = defineCommand({
  name: 'asyncapi',
  summary: 'print an AsyncAPI 3.0 document of all events: channels, messages, examples',
  examples: [['hydrant schema asyncapi > asyncapi.json', 'for generators of code and documentation']],
  run: ({ io }) => printAsyncApi(io),
});

const cloudevents = defineCommand<{ mode: 'structured' | 'binary' }>({
  name: 'cloudevents',
  summary: 'print events as CloudEvents 1.0, one a line',
  notes: [
    'Reads events, one a line, as `find` and `sub` print them with -o ndjson. `structured` is the JSON format; `binary` shows what the MQTT 5 binding sends: topic, content type, user properties, and the payload in base64. docs/reference/events.md has the table of attributes.',
  ],
  examples: [["hydrant find 'gerrit/#' -o ndjson | hydrant schema cloudevents", 'for whatever takes CloudEvents']],
  define: (command) =>
    void command
      .argument('[file...]', 'files to read; - or none is standard input')
      .addOption(new Option('--mode <mode>', 'which form').choices(['structured', 'binary']).default('structured')),
  async run({ args, options, io }) {
    const [{ inputLines, readEventLine }, { toCloudEvent, toMqttMessage }] = await Promise.all([
      import('./inputs.ts'),
      import('../../sources/catalogue/cloud-event.ts'),
    ]);
    for await (const line of inputLines(args, io)) {
      const event = readEventLine(line);
      const { payload, ...message } = toMqttMessage(event);
      const shown = options.mode === 'binary' ? { ...message, payload: Buffer.from(payload).toString('base64') } : toCloudEvent(event);
      await write(io.stdout, `${JSON.stringify(shown)}\n`, io.signal);
    }
    return undefined;
  },
});

export const SCHEMA_COMMANDS: readonly CommandDefinition[] = [ls, show, validate, asyncapi, cloudevents];

async function schemaOf(name: string): Promise<EventSchema> {
  const { SCHEMAS } = await import('../../sources/catalogue/schemas.ts');
  const found = SCHEMAS.find((one) => one.name === name);
  if (found) return found;
  const meant = nearest(
    name,
    SCHEMAS.map((one) => one.name),
  );
  throw new HydrantError('HYD_USAGE', `there is no schema ${JSON.stringify(name)}`, {
    fix: `${meant ? `Did you mean ${meant}? ` : ''}\`hydrant schema ls\` lists them.`,
  });
}

async function schemaAt(topic: string): Promise<EventSchema> {
  const { findSchema } = await import('../../sources/catalogue/find-schema.ts');
  const found = findSchema(topic);
  if (found) return found;
  throw new HydrantError('HYD_USAGE', `--topic ${JSON.stringify(topic)}: no schema is for this topic`, {
    fix: '`hydrant schema ls` lists the topics; --schema NAME names a schema.',
  });
}

async function printAsyncApi(io: Io, schemas?: readonly EventSchema[]): Promise<undefined> {
  const { asyncApi } = await import('../../sources/catalogue/asyncapi.ts');
  return print(io, asyncApi(packageVersion(), schemas));
}

async function print(io: Io, ...values: unknown[]): Promise<undefined> {
  for (const value of values) await write(io.stdout, `${JSON.stringify(value, undefined, 2)}\n`, io.signal);
}
