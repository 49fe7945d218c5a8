import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPublishRequest } from './publish-request.ts';

const BODY = Buffer.from([0, 255, 10]);
const read = (url: string, headers: Record<string, string> = {}) => readPublishRequest(url, headers, BODY);

test('the topic is the rest of the path, percent-decoded; empty levels stay', () => {
  const topics = { '/t/a/b': 'a/b', '/t/a%20b/%C3%A4?qos=0': 'a b/ä', '/t//a/': '/a/', '/t/a%2Fb': 'a/b', '/t/$x%3F': '$x?' };
  for (const [url, topic] of Object.entries(topics)) assert.equal(read(url).topic, topic, url);
});

test('a topic that cannot be published to is refused', () => {
  for (const url of ['/t/', '/t/a/%23', '/t/a/+', '/t/%00', '/t/%zz', '/t/%ff', `/t/${'a'.repeat(65_536)}`])
    assert.throws(() => read(url), { code: 'HYD_TOPIC' }, url);
});

test('without more it is QoS 1, not retained, and the body is carried untouched', () => {
  assert.deepEqual(read('/t/a'), { topic: 'a', payload: BODY, qos: 1, retain: false, source: 'http' });
});

test('the query says qos, retain, id and content type, and wins over the headers that say the same', () => {
  const headers = { 'hydrant-qos': '2', 'hydrant-retain': 'true', 'hydrant-id': 'from-header', 'content-type': 'text/plain' };
  assert.deepEqual(read('/t/a', headers), {
    topic: 'a',
    payload: BODY,
    qos: 2,
    retain: true,
    id: 'from-header',
    contentType: 'text/plain',
    source: 'http',
  });
  const event = read('/t/a?qos=0&retain=false&id=q&contentType=a/b', headers);
  assert.deepEqual(event, { topic: 'a', payload: BODY, qos: 0, retain: false, id: 'q', contentType: 'a/b', source: 'http' });
  assert.equal(read('/t/a?retain').retain, true);
});

test('trace context travels with the event', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  assert.deepEqual(read('/t/a', { traceparent, tracestate: 'x=1' }).props, {
    user: [
      ['traceparent', traceparent],
      ['tracestate', 'x=1'],
    ],
  });
});

test('wrong values and unknown parameters are named', () => {
  const fault = (query: string, pattern: RegExp) =>
    assert.throws(() => read(`/t/a?${query}`), { code: 'HYD_USAGE', message: pattern }, query);
  fault('qos=3', /qos "3" is not 0, 1 or 2/);
  fault('retain=yes', /retain "yes" is not true or false/);
  fault('id=a%20b', /event id "a b"/);
  fault(`id=${'x'.repeat(129)}`, /1 to 128/);
  fault('qos=1&qos=2', /qos is given more than once/);
  assert.throws(() => read('/t/a?retian=1'), { code: 'HYD_USAGE', message: /"retian"/, fix: 'Use retain.' });
});
