import type { IncomingHttpHeaders } from 'node:http';
import { HydrantError } from '../core/errors.ts';
import type { Event, EventProps, QoS } from '../wire/event.ts';
import { assertTopic } from '../wire/topic.ts';
import { readQuery } from './query.ts';

const PREFIX = '/t/';
const ID = /^[\x21-\x7e]{1,128}$/;

/**
 * The event that a `POST /t/{topic}` asks to publish. The topic is the rest of the path, percent-decoded level by level; qos (default 1),
 * retain, id and contentType come from the query, else from the headers `Hydrant-QoS`, `Hydrant-Retain`, `Hydrant-Id` and `Content-Type`.
 * @param url path and query as received, beginning with `/t/`
 * @throws HYD_TOPIC, HYD_USAGE
 */
export function readPublishRequest(url: string, headers: IncomingHttpHeaders, body: Uint8Array): Event {
  const query = readQuery(url, ['qos', 'retain', 'id', 'contentType']);
  const pick = (name: string, header: string): string | undefined => query.get(name) ?? single(headers[header]);
  const event: Event = {
    topic: readTopic(url),
    payload: body,
    qos: readQos(pick('qos', 'hydrant-qos')),
    retain: readFlag('retain', pick('retain', 'hydrant-retain')),
    source: 'http',
  };
  const id = pick('id', 'hydrant-id');
  if (id !== undefined) {
    if (!ID.test(id)) throw new HydrantError('HYD_USAGE', `the event id ${JSON.stringify(id)} is not 1 to 128 printable ASCII characters`);
    event.id = id;
  }
  const contentType = pick('contentType', 'content-type');
  if (contentType) event.contentType = contentType;
  const props = readProps(headers);
  if (props) event.props = props;
  return event;
}

function readTopic(url: string): string {
  const path = url.split('?', 1)[0]!.slice(PREFIX.length);
  let topic: string;
  try {
    topic = path.split('/').map(decodeURIComponent).join('/');
  } catch (cause) {
    throw new HydrantError('HYD_TOPIC', `topic ${JSON.stringify(path)}: it is not percent-encoded UTF-8`, { cause });
  }
  assertTopic(topic);
  return topic;
}

function readQos(text = '1'): QoS {
  if (text === '0' || text === '1' || text === '2') return Number(text) as QoS;
  throw new HydrantError('HYD_USAGE', `qos ${JSON.stringify(text)} is not 0, 1 or 2`, { fix: 'Give 0, 1 or 2.' });
}

function readFlag(name: string, text = 'false'): boolean {
  if (text === 'true' || text === '1' || text === '') return true;
  if (text === 'false' || text === '0') return false;
  throw new HydrantError('HYD_USAGE', `${name} ${JSON.stringify(text)} is not true or false`, { fix: 'Give true or false.' });
}

/** Trace context travels with the event: https://www.w3.org/TR/trace-context/ names the two headers. */
function readProps(headers: IncomingHttpHeaders): EventProps | undefined {
  const user = ['traceparent', 'tracestate'].flatMap((name): [string, string][] => {
    const value = single(headers[name]);
    return value ? [[name, value]] : [];
  });
  return user.length > 0 ? { user } : undefined;
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}
