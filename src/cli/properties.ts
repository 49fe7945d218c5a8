import { HydrantError } from '../core/errors.ts';

type Kind = 'number' | 'flag' | 'text' | 'bytes' | 'pairs';

/** mosquitto's names of the properties that make sense from a command line: mqtt-packet's name, and how the value reads. */
const PROPERTIES: Record<string, Record<string, [name: string, kind: Kind]>> = {
  publish: {
    'content-type': ['contentType', 'text'],
    'correlation-data': ['correlationData', 'bytes'],
    'message-expiry-interval': ['messageExpiryInterval', 'number'],
    'payload-format-indicator': ['payloadFormatIndicator', 'flag'],
    'response-topic': ['responseTopic', 'text'],
    'topic-alias': ['topicAlias', 'number'],
    'user-property': ['userProperties', 'pairs'],
  },
  subscribe: { 'subscription-identifier': ['subscriptionIdentifier', 'number'], 'user-property': ['userProperties', 'pairs'] },
  connect: { 'receive-maximum': ['receiveMaximum', 'number'] },
};

/** mqtt-packet's properties, and the user properties as pairs beside them. */
export interface PacketProperties {
  properties: Record<string, unknown>;
  userProperties: [name: string, value: string][];
}

/**
 * Reads the words of every `-D`: command, property, value, for user-property name and value.
 * @throws HYD_USAGE
 */
export function parseProperties(words: readonly string[] = []): Record<'publish' | 'subscribe' | 'connect', PacketProperties> {
  const none = (): PacketProperties => ({ properties: {}, userProperties: [] });
  const read: Record<string, PacketProperties> = { publish: none(), subscribe: none(), connect: none() };
  for (let at = 0; at < words.length; ) {
    const command = words[at++]!;
    const known = PROPERTIES[command];
    if (!known) throw wrong(`${JSON.stringify(command)} takes no properties here`, Object.keys(PROPERTIES));
    const property = words[at++] ?? '';
    const entry = known[property];
    if (!entry) throw wrong(`${command} has no property ${JSON.stringify(property)}`, Object.keys(known));
    const [name, kind] = entry;
    const count = kind === 'pairs' ? 2 : 1;
    const values = words.slice(at, at + count);
    if (values.length < count) throw wrong(`${property} needs ${kind === 'pairs' ? 'a name and a value' : 'a value'}`, []);
    at += count;
    if (kind === 'pairs') read[command]!.userProperties.push([values[0]!, values[1]!]);
    else read[command]!.properties[name] = readValue(property, kind, values[0]!);
  }
  return read as ReturnType<typeof parseProperties>;
}

function readValue(property: string, kind: Kind, text: string): unknown {
  if (kind === 'text') return text;
  if (kind === 'bytes') return Buffer.from(text);
  const value = Number(text);
  if (!/^\d+$/.test(text) || (kind === 'flag' && value > 1)) throw wrong(`${property} is ${JSON.stringify(text)}, not a number`, []);
  return kind === 'flag' ? value === 1 : value;
}

function wrong(what: string, known: string[]): HydrantError {
  return new HydrantError('HYD_USAGE', `-D: ${what}`, {
    fix:
      known.length > 0 ? `Choose one of ${known.join(', ')}.` : 'Write -D COMMAND PROPERTY VALUE, or -D COMMAND user-property NAME VALUE.',
  });
}
