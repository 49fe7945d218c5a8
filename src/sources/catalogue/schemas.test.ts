import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import fc from 'fast-check';
import { z } from 'zod';
import { launchpadMail } from '../../testing/launchpad-mail.ts';
import { topicFault } from '../../wire/topic.ts';
import { buildTopic } from '../gearman/build-job.ts';
import { readEvent, topicOf } from '../gerrit/gerrit-event.ts';
import { MailHeaders } from '../launchpad/mail-headers.ts';
import { readNotification } from '../launchpad/notification.ts';
import { SOURCES } from '../registry.ts';
import { readHooks, topicFor } from '../webhook/hook.ts';
import { OPTIONS } from '../webhook/options.ts';
import { baseOf } from './bases.ts';
import { findSchema } from './find-schema.ts';
import { kindOf, SCHEMAS } from './schemas.ts';

type Json = Record<string, unknown>;

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
formats.default(ajv);
const schemaOf = (name: string) => SCHEMAS.find((schema) => schema.name === name)!;

test('every kind that has events of its own is in the catalogue, and each name is there once', () => {
  const kinds = new Set(SCHEMAS.map(kindOf));
  for (const { name, schemas } of SOURCES) assert.equal(kinds.has(name), schemas.length > 0, name);
  assert.equal(new Set(SCHEMAS.map(({ name }) => name)).size, SCHEMAS.length);
  for (const { name, title } of SCHEMAS) {
    assert.match(name, /^[a-z]+\.[a-z0-9_-]+$/);
    assert.match(title, /^[^\n]{5,120}$/);
  }
});

for (const { name, schema, examples, derive, topic } of SCHEMAS)
  test(`${name}: its examples are valid, what is of a wrong type is not, and each is told in a line`, () => {
    const validate = ajv.compile(schema);
    assert.ok(examples.length > 0);
    for (const example of examples) {
      assert.ok(validate(example), JSON.stringify(validate.errors));
      const { summary, url, people, severity } = derive(example, topic);
      assert.match(summary, /^\S[^\n\r\u2028]{0,199}$/);
      assert.doesNotMatch(summary, /undefined|\[object|NaN/);
      if (url !== undefined) assert.ok(/^https?:$/.test(new URL(url).protocol), url);
      assert.equal(new Set(people).size, people.length);
      assert.ok(['info', 'warning', 'error'].includes(severity));
      const properties = Object.entries((schema.properties ?? {}) as Record<string, Json>);
      for (const [field, { type }] of properties)
        if (type !== undefined && !String(type).includes('object'))
          assert.ok(!validate({ ...(example as Json), [field]: { wrong: 1 } }), `${field} may be anything`);
    }
    assert.ok(!validate(7), 'a number is no event');
    assert.ok(!validate(null));
  });

test('whatever comes, each event is told in one line and nothing throws', () => {
  const part = fc.anything({ maxDepth: 2, withNullPrototype: true });
  const like = fc.constantFrom(...SCHEMAS).chain((schema) => {
    const keys = Object.keys((schema.schema.properties ?? {}) as Json);
    return fc.tuple(fc.constant(schema), fc.record(Object.fromEntries(keys.map((key) => [key, part])), { requiredKeys: [] }));
  });
  fc.assert(
    fc.property(like, part, fc.string(), ([{ derive, name }, data], other, topic) => {
      for (const value of [data, other, JSON.parse('{"__proto__":{"type":1},"constructor":7,"change":{"toString":1,"valueOf":1}}')]) {
        const { summary, people } = derive(value, topic);
        assert.ok(typeof summary === 'string' && summary.length <= 200 && !/[\n\r\u2028]/.test(summary), name);
        assert.ok(
          people.every((one) => typeof one === 'string' && one !== ''),
          name,
        );
      }
    }),
    { numRuns: 600 },
  );
});

test('a topic of each schema leads back to it', () => {
  for (const schema of SCHEMAS) {
    const base = baseOf(schema) ?? 'some/where';
    const topic = schema.topic
      .replace(/\{base(\.\.\.)?\}/, base)
      .replace('{project...}', 'openstack/nova')
      .replace(/\{[^}]+\}/g, 'something');
    assert.equal(topicFault(topic), undefined);
    assert.equal(findSchema(topic)?.name, schema.name, topic);
  }
});

test('the bases are those that the kinds have by default', () => {
  let checked = 0;
  for (const { name, options, schemas } of SOURCES) {
    const { properties } = z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' }) as { properties: Record<string, Json> };
    if (typeof properties.base?.default !== 'string') continue;
    for (const schema of schemas.filter(({ topic }) => topic.includes('{base}')))
      assert.equal(baseOf(schema), properties.base.default, name);
    checked++;
  }
  assert.equal(checked, 4);
});

test('what gerrit, launchpad, the gearman workers and webhooks publish is on the topics that their schemas name', () => {
  for (const { name, examples } of SCHEMAS.filter((schema) => kindOf(schema) === 'gerrit'))
    assert.equal(findSchema(topicOf(readEvent(Buffer.from(JSON.stringify(examples[0])))!, 'gerrit'))?.name, name);
  for (const type of ['bug', 'question']) {
    const block = Buffer.from(launchpadMail({ headers: { 'X-Launchpad-Notification-Type': type } }));
    for (const { topic, schema } of readNotification({ headers: new MailHeaders(block), block, body: '' }, 'launchpad'))
      assert.equal(findSchema(topic)?.name, schema);
  }
  const build = buildTopic('gearman-subunit', 'worker-1', { fields: { project: 'openstack/nova', build_change: '17' } });
  assert.equal(findSchema(build)?.name, 'subunit.build');
  assert.equal(findSchema(`${build}/total`)?.name, 'subunit.total');
  const deliveries: [preset: string, headers: Record<string, string>, schemas: string][] = [
    ['github', { 'x-github-event': 'pull_request' }, 'webhook.github-pull_request'],
    ['github', { 'x-github-event': 'star' }, 'webhook.github-event'],
    ['gitlab', { 'x-gitlab-event': 'Push Hook' }, 'webhook.gitlab-push'],
    ['launchpad', { 'x-launchpad-event-type': 'bug:0.1' }, 'webhook.launchpad-bug'],
    ['alertmanager', {}, 'webhook.alertmanager'],
    ['standard-webhooks', {}, 'webhook.standard'],
  ];
  for (const [preset, headers, name] of deliveries) {
    const hook = readHooks(OPTIONS.parse({ preset, unsigned: true })).get('/')!;
    const body = Buffer.from(JSON.stringify(schemaOf(name).examples[0]));
    const message = { headers, query: new URLSearchParams(), contentType: 'application/json', body };
    const delivery = hook.preset.read(message, hook);
    assert.deepEqual([findSchema(topicFor(hook, delivery))?.name, delivery.schema], [name, name]);
  }
});
