import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parser } from '@asyncapi/parser';
import { asyncApi } from './asyncapi.ts';
import { SCHEMAS } from './schemas.ts';

test('the document is AsyncAPI 3.0, and others read every channel, message and example in it', async () => {
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApi('1.2.3')));
  assert.deepEqual(
    diagnostics.filter(({ severity }) => severity <= 1).map(({ path, message }) => `${path.join('.')}: ${message}`),
    [],
  );
  assert.equal(document?.version(), '3.0.0');
  assert.equal(document.info().version(), '1.2.3');
  const messages = document.allMessages().all();
  assert.deepEqual(new Set(messages.map((message) => message.name())), new Set(SCHEMAS.map(({ name }) => name)));
  for (const message of messages) assert.ok(message.examples().all().length > 0, message.name());
  const comments = document
    .channels()
    .all()
    .find((channel) => channel.address() === 'gerrit/{project}/comment-added');
  assert.deepEqual(
    comments
      ?.parameters()
      .all()
      .map((parameter) => parameter.id()),
    ['project'],
  );
  assert.equal(document.operations().all().length, document.channels().all().length);
  assert.ok(
    document
      .operations()
      .all()
      .every((operation) => operation.isSend()),
  );
  assert.deepEqual(
    document
      .servers()
      .all()
      .map((server) => server.protocol()),
    ['mqtt', 'secure-mqtt', 'ws', 'wss'],
  );
});
