import { isUtf8 } from 'node:buffer';
import { createUlid } from '../../core/id.ts';
import { CARRIED } from '../../mqtt/event-properties.ts';
import type { StoredEvent } from '../../wire/event.ts';
import { findSchema } from './find-schema.ts';
import { schemaUri } from './schemas.ts';

/** Attributes of CloudEvents 1.0.2, §3.1, and the extension `sequence`. */
interface CloudEventAttributes {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  subject: string;
  time: string;
  datacontenttype?: string;
  dataschema?: string;
  sequence?: string;
}

/** A CloudEvent in the JSON format: `data` where the payload is JSON or text, else `data_base64`. */
export type CloudEvent = CloudEventAttributes & { data?: unknown; data_base64?: string };

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const JSON_TYPE = /^[^;]*[/+]json\s*(;|$)/i;

/** The attributes of an event. What has no id of its own has its place in the journal for one, and outside of a journal a new one. */
function cloudEventAttributes(event: StoredEvent): CloudEventAttributes {
  const schema = findSchema(event.topic);
  const contentType = event.contentType ?? (schema && 'application/json');
  return {
    specversion: '1.0',
    id: event.id ?? idOverMqtt(event) ?? (event.seq > 0 ? `${event.ts}-${event.seq}` : createUlid()),
    source: `/hydrant/${encodeURIComponent((event.source ?? '').toWellFormed())}`,
    type: schema ? `hydrant.${schema.name}` : 'hydrant.event',
    subject: event.topic,
    time: timeOf(event),
    ...(contentType !== undefined && { datacontenttype: contentType }),
    ...(schema && { dataschema: schemaUri(schema) }),
    ...(event.seq > 0 && { sequence: String(event.seq).padStart(16, '0') }),
  };
}

/** The structured mode, of the JSON format §3. */
export function toCloudEvent(event: StoredEvent): CloudEvent {
  const attributes = cloudEventAttributes(event);
  const { payload } = event;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (!isUtf8(bytes)) return { ...attributes, data_base64: bytes.toString('base64') };
  const text = bytes.toString();
  if (attributes.datacontenttype !== undefined && !JSON_TYPE.test(attributes.datacontenttype)) return { ...attributes, data: text };
  try {
    return { ...attributes, datacontenttype: attributes.datacontenttype ?? 'application/json', data: JSON.parse(text) };
  } catch {
    // As JSON a text would be read as a JSON string.
    return attributes.datacontenttype === undefined
      ? { ...attributes, datacontenttype: 'text/plain', data: text }
      : { ...attributes, data_base64: bytes.toString('base64') };
  }
}

/** The binary mode of the MQTT 5 binding §3.1: the payload as it is, its content type, and each other attribute as a user property. */
export function toMqttMessage(event: StoredEvent): {
  topic: string;
  contentType?: string;
  userProperties: [string, string][];
  payload: Uint8Array;
} {
  const { datacontenttype, ...attributes } = cloudEventAttributes(event);
  return {
    topic: event.topic,
    ...(datacontenttype !== undefined && { contentType: datacontenttype }),
    userProperties: Object.entries(attributes),
    payload: event.payload,
  };
}

/** A PUBLISH has no field for it. */
function idOverMqtt({ props }: StoredEvent): string | undefined {
  return props?.user?.find(([name, value]) => name === CARRIED.id && value !== '')?.[1];
}

/** When it happened, as its publisher says, else when it arrived. */
function timeOf({ props, ts }: StoredEvent): string {
  return props?.time !== undefined && RFC_3339.test(props.time) ? props.time : ts;
}
