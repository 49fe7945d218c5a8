import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredEvent } from '../../wire/event.ts';
import { toCloudEvent, toMqttMessage } from './cloud-event.ts';

const event = (more: Partial<StoredEvent> & { text?: string }): StoredEvent => ({
  topic: 'plant/1',
  payload: Buffer.from(more.text ?? ''),
  qos: 1,
  retain: false,
  seq: 0,
  ts: '2026-11-21T10:17:42.123000001Z',
  ...more,
});

test('an event of a source is a CloudEvent of its schema, with the time at which it happened', () => {
  const given = event({
    topic: 'gerrit/openstack/nova/comment-added',
    text: '{"type":"comment-added"}',
    id: '01JD6Z3Y0V8Q4T9W2E5R7U1X6C',
    source: 'gerrit',
    contentType: 'application/json',
    seq: 4711,
    props: { time: '2026-11-21T10:17:41Z' },
  });
  const attributes = {
    specversion: '1.0',
    id: '01JD6Z3Y0V8Q4T9W2E5R7U1X6C',
    source: '/hydrant/gerrit',
    type: 'hydrant.gerrit.comment-added',
    subject: 'gerrit/openstack/nova/comment-added',
    time: '2026-11-21T10:17:41Z',
    dataschema: 'urn:hydrant:schema:gerrit.comment-added',
    sequence: '0000000000004711',
  };
  assert.deepEqual(toCloudEvent(given), { ...attributes, datacontenttype: 'application/json', data: { type: 'comment-added' } });
  assert.deepEqual(toMqttMessage(given), {
    topic: given.topic,
    contentType: 'application/json',
    userProperties: Object.entries(attributes),
    payload: given.payload,
  });
});

test('any other event is one too: arrival for its time, its place for an id', () => {
  const { id, source, type, time, datacontenttype, data, dataschema } = toCloudEvent(
    event({ text: '{"t":21}', seq: 7, source: 'node 7/ü' }),
  );
  assert.equal(id, '2026-11-21T10:17:42.123000001Z-7');
  assert.equal(source, '/hydrant/node%207%2F%C3%BC');
  assert.equal(type, 'hydrant.event');
  assert.equal(time, '2026-11-21T10:17:42.123000001Z');
  assert.deepEqual([datacontenttype, data, dataschema], ['application/json', { t: 21 }, undefined]);
  assert.equal(toCloudEvent(event({ props: { time: 'yesterday' } })).time, '2026-11-21T10:17:42.123000001Z');
});

test('the id that a publisher gave over MQTT is the id in each repeat, and what no journal has had gets one of its own', () => {
  const user: [string, string][] = [
    ['trace', 'x'],
    ['hydrant-id', '01JD6Z3Y0V8Q4T9W2E5R7U1X6C'],
  ];
  const ids = [7, 8].map((seq) => toCloudEvent(event({ seq, props: { user } })).id);
  assert.deepEqual(ids, ['01JD6Z3Y0V8Q4T9W2E5R7U1X6C', '01JD6Z3Y0V8Q4T9W2E5R7U1X6C']);
  assert.notEqual(toCloudEvent(event({ text: 'a' })).id, toCloudEvent(event({ text: 'b' })).id);
});

test('data is JSON, text or base64, as the payload is', () => {
  const dataOf = (given: StoredEvent): unknown[] => {
    const { datacontenttype, data, data_base64 } = toCloudEvent(given);
    return [datacontenttype, data, data_base64];
  };
  assert.deepEqual(dataOf(event({ text: 'warm' })), ['text/plain', 'warm', undefined]);
  assert.deepEqual(dataOf(event({ text: '<t/>', contentType: 'text/xml' })), ['text/xml', '<t/>', undefined]);
  assert.deepEqual(dataOf(event({ text: '[1]', contentType: 'application/vnd.x+json; v=1' })), [
    'application/vnd.x+json; v=1',
    [1],
    undefined,
  ]);
  assert.deepEqual(dataOf(event({ text: '{half', contentType: 'application/json' })), ['application/json', undefined, 'e2hhbGY=']);
  assert.deepEqual(dataOf(event({ payload: Buffer.from([255, 0]) })), [undefined, undefined, '/wA=']);
});
