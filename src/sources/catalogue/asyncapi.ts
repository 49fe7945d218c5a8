import type { EventSchema } from '../schema.ts';
import { baseOf } from './bases.ts';
import { SCHEMAS } from './schemas.ts';

/** An AsyncAPI 3.0 document of events: a channel for each topic, an operation `send` by which its source publishes. */
export function asyncApi(version: string, schemas: readonly EventSchema[] = SCHEMAS): Record<string, unknown> {
  const channels = groupByTopic(schemas);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Events of Hydrant',
      version,
      description: 'What the sources of Hydrant publish: topics, messages, examples. `{project}` and the like may be several levels.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: {
      mqtt: { host: 'localhost:1883', protocol: 'mqtt', protocolVersion: '5', description: 'MQTT 5, and 3.1.1' },
      mqtts: { host: 'localhost:8883', protocol: 'secure-mqtt', protocolVersion: '5', description: 'MQTT over TLS' },
      ws: { host: 'localhost:8080', pathname: '/mqtt', protocol: 'ws', description: 'MQTT over websockets' },
      wss: { host: 'localhost:8443', pathname: '/mqtt', protocol: 'wss', description: 'MQTT over websockets and TLS' },
    },
    channels: Object.fromEntries([...channels].map(([topic, group]) => [group[0]!.name, channel(topic, group)])),
    operations: Object.fromEntries([...channels.values()].map((group) => [`publish.${group[0]!.name}`, operation(group)])),
    components: { messages: Object.fromEntries(schemas.map((schema) => [schema.name, message(schema)])) },
  };
}

/** By topic with the base that it has by default. */
function groupByTopic(schemas: readonly EventSchema[]): Map<string, EventSchema[]> {
  const channels = new Map<string, EventSchema[]>();
  for (const schema of schemas) {
    const topic = schema.topic.replace('{base}', baseOf(schema) ?? '{base}');
    channels.set(topic, [...(channels.get(topic) ?? []), schema]);
  }
  return channels;
}

function channel(topic: string, schemas: readonly EventSchema[]): Record<string, unknown> {
  const names = [...topic.matchAll(/\{([^{}]+)\}/g)].map(([, name]) => name!);
  const parameters = names.map((name) => [
    parameterName(name),
    {
      description: name.endsWith('...')
        ? 'One level or several, or none when it is missing.'
        : 'One level, percent-encoded where it needs to be.',
    },
  ]);
  return {
    address: topic.replace(/\{([^{}]+)\}/g, (_, name: string) => `{${parameterName(name)}}`),
    title: schemas[0]!.title,
    ...(parameters.length > 0 && { parameters: Object.fromEntries(parameters) }),
    messages: Object.fromEntries(schemas.map(({ name }) => [name, { $ref: `#/components/messages/${name}` }])),
  };
}

function operation(schemas: readonly EventSchema[]): Record<string, unknown> {
  const [{ name }] = schemas as [EventSchema];
  return {
    action: 'send',
    channel: { $ref: `#/channels/${name}` },
    messages: schemas.map((schema) => ({ $ref: `#/channels/${name}/messages/${schema.name}` })),
    bindings: { mqtt: { qos: 1, retain: false, bindingVersion: '0.2.0' } },
  };
}

function message({ name, title, schema, examples }: EventSchema): Record<string, unknown> {
  return {
    name,
    title,
    contentType: 'application/json',
    payload: schema,
    examples: examples.map((payload, at) => ({ name: `example-${at + 1}`, payload })),
  };
}

function parameterName(name: string): string {
  return name.replace(/\.\.\.$/, '').replaceAll('.', '_');
}
