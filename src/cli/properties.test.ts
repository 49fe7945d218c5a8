import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProperties } from './properties.ts';

test('properties go to the packet that they name, user properties in order', () => {
  const read = parseProperties([
    ...['publish', 'user-property', 'b', '1'],
    ...['publish', 'user-property', 'a', '2'],
    ...['publish', 'content-type', 'text/plain'],
    ...['publish', 'payload-format-indicator', '1'],
    ...['publish', 'message-expiry-interval', '60'],
    ...['subscribe', 'subscription-identifier', '9'],
  ]);
  assert.deepEqual(read.publish, {
    properties: { contentType: 'text/plain', payloadFormatIndicator: true, messageExpiryInterval: 60 },
    userProperties: [
      ['b', '1'],
      ['a', '2'],
    ],
  });
  assert.deepEqual(read.subscribe.properties, { subscriptionIdentifier: 9 });
});

test('a mistake names the word and what could stand there', () => {
  for (const [words, message] of [
    [['pubish', 'x', 'y'], '-D: "pubish" takes no properties here'],
    [['publish', 'contenttype', 'y'], '-D: publish has no property "contenttype"'],
    [['publish', 'user-property', 'a'], '-D: user-property needs a name and a value'],
    [['publish', 'message-expiry-interval', '1m'], '-D: message-expiry-interval is "1m", not a number'],
    [['publish'], '-D: publish has no property ""'],
  ] as const) {
    assert.throws(() => parseProperties(words), { code: 'HYD_USAGE', message });
  }
});
