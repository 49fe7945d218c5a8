import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { captureIo } from '../../testing/capture-io.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import type { Event } from '../../wire/event.ts';
import { encodeLine } from '../../wire/line.ts';
import { runCli } from '../cli.ts';

async function run(args: string[], input?: string | Uint8Array): Promise<{ code: number; lines: string[]; stderr: string }> {
  const io = captureIo({ input });
  const code = await runCli(['schema', ...args], io);
  return { code, lines: io.stdout.text.split('\n').filter((line) => line !== ''), stderr: io.stderr.text };
}

const eventLine = (topic: string, payload: string | Uint8Array, more: Partial<Event> = {}): Buffer =>
  encodeLine({ topic, payload: Buffer.from(payload), qos: 1, retain: false, ...more }, 7, Date.parse('2026-11-21T10:17:42Z'));

test('ls names every schema with its topic, show prints one for any validator', async () => {
  const { lines } = await run(['ls', '-o', 'ndjson']);
  const listed = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    listed.find(({ name }) => name === 'launchpad.bug'),
    {
      name: 'launchpad.bug',
      topic: '{base}/{project...}/bug/{bug-number}',
      title: 'A bug was reported, commented on or changed: one event for each of its tasks',
    },
  );
  const shown = JSON.parse((await run(['show', 'launchpad.bug'])).lines.join('\n'));
  assert.equal(shown.$schema, 'https://json-schema.org/draft/2020-12/schema');
  assert.equal(shown.$id, 'urn:hydrant:schema:launchpad.bug');
  const validate = new Ajv2020().compile(shown);
  const example = JSON.parse((await run(['show', 'source.gap', '--example'])).lines.join('\n'));
  assert.equal(example.reason, 'disconnected');
  assert.ok(validate(shown.examples[0]));
  assert.ok(!validate(example));
  const document = JSON.parse((await run(['show', 'launchpad.bug', '--asyncapi'])).lines.join('\n'));
  assert.deepEqual(Object.keys(document.channels), ['launchpad.bug']);
});

test('a name or a topic that no schema has is a usage error that names the nearest', async () => {
  const { code, stderr } = await run(['show', 'gerrit.coment-added']);
  assert.deepEqual([code, /Did you mean gerrit\.comment-added\?/.test(stderr)], [2, true], stderr);
  assert.equal((await run(['validate', '--topic', 'plant/1'])).code, 2);
  assert.equal((await run(['validate', '--topic', 'a', '--schema', 'b'])).code, 2);
  assert.equal((await run(['validate', '/nowhere/at/all'])).code, 2);
});

test('validate names each line that does not match, why, and exits with 1', async () => {
  const lines = Buffer.concat([
    eventLine('gerrit/openstack/nova/comment-added', '{"type":"comment-added"}'),
    eventLine('gerrit/openstack/nova/comment-added', '{"type":"comment-added","author":"ada"}'),
    eventLine('plant/1', 'warm'),
    Buffer.from('\n'),
    eventLine('gerrit/openstack/nova/change-merged', '{half'),
    Buffer.from('no event\n'),
    eventLine('logs/syslog', '12 doors', { contentType: 'text/plain' }),
    eventLine('logs/syslog', 'door open'),
    eventLine('logs/syslog', '[1]', { contentType: 'application/json' }),
  ]);
  const { code, lines: found, stderr } = await run(['validate', '-o', 'ndjson'], lines);
  assert.equal(code, 1);
  assert.deepEqual(
    found.map((line) => JSON.parse(line)).map(({ line, schema, why }) => [line, schema, why.replace(/event: .*/, 'event')]),
    [
      [2, 'gerrit.comment-added', 'author should be object and is "ada"'],
      [5, 'gerrit.change-merged', 'it is no JSON'],
      [6, undefined, 'it is no event'],
      [9, 'logs.line', 'it should be string or object and is an array of 1'],
    ],
  );
  assert.equal(stderr, '3 match, 4 do not, 1 on topics without a schema\n');
});

test('validate takes payloads by the line or a document over several, and exits with 0 when all match', async () => {
  await using folder = await createTempFolder();
  const [pretty, ndjson] = [join(folder.path, 'pretty.json'), join(folder.path, 'lines.ndjson')];
  await writeFile(pretty, `${JSON.stringify({ type: 'ref-updated', refUpdate: { refName: 'refs/heads/main' } }, undefined, 2)}\n`);
  await writeFile(ndjson, '{"type":"ref-updated"}\r\n{"type":"ref-updated"}');
  const good = await run(['validate', '--schema', 'gerrit.ref-updated', pretty, ndjson]);
  assert.deepEqual([good.code, good.stderr, good.lines], [0, '3 match, 0 do not\n', []]);
  const shown = (await run(['show', 'launchpad.bug', '--example'])).lines.join('\n');
  assert.equal((await run(['validate', '--schema', 'launchpad.bug'], shown)).stderr, '2 match, 0 do not\n', 'as show prints its examples');
  const second = await run(['validate', '--schema', 'gerrit.ref-updated'], '{\n "type": "ref-updated"\n}\n{\n "type": 1\n}\n');
  assert.deepEqual([second.stderr, JSON.parse(second.lines[0]!).line], ['1 match, 1 does not\n', 4]);
  const bare = await run(['validate'], '{"type":"ref-updated"}\n');
  assert.deepEqual([bare.code, /Bare payloads are checked with --schema NAME/.test(bare.stderr)], [1, true]);
  const bad = await run(['validate', '--topic', 'gerrit/nova/ref-updated', '-', pretty], '{"type":1}\n');
  assert.deepEqual([bad.code, JSON.parse(bad.lines[0]!).file, bad.lines.length], [1, '-', 1]);
});

test('events become CloudEvents, in either mode', async () => {
  const line = eventLine('gerrit/nova/ref-updated', '{"type":"ref-updated"}', { source: 'gerrit', id: '01JD6Z3Y0V8Q4T9W2E5R7U1X6C' });
  const structured = JSON.parse((await run(['cloudevents'], line)).lines[0]!);
  assert.deepEqual([structured.type, structured.data], ['hydrant.gerrit.ref-updated', { type: 'ref-updated' }]);
  const binary = JSON.parse((await run(['cloudevents', '--mode', 'binary'], line)).lines[0]!);
  assert.deepEqual(Object.fromEntries(binary.userProperties).source, '/hydrant/gerrit');
  assert.equal(Buffer.from(binary.payload, 'base64').toString(), '{"type":"ref-updated"}');
  const { code, stderr } = await run(['cloudevents'], 'x\n');
  assert.deepEqual([code, /-:1: it is no event/.test(stderr)], [2, true]);
});
