import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkConfig } from '../../app/config.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { type ImportedArchiver, importSeedArchiver } from './seed-archiver.ts';

async function imported(yaml: string): Promise<ImportedArchiver> {
  await using folder = await createTempFolder('hydrant-import');
  const file = join(folder.path, 'mqtt-archiver.yaml');
  await writeFile(file, yaml);
  const result = importSeedArchiver(file);
  checkConfig(result.config);
  return result;
}

test('every key is taken over or named with the reason', async () => {
  const { config, notes } = await imported(`
mqtt:
  broker: ssl://mq.example.org:8883
  username: dev
  password: secret
  clientId: mine
  timeout: 5s
  gracePeriod: 2s
s3: {endpoint: localhost:9000, accessKey: k, secretKey: s, ssl: false, bucket: mqtt}
subscribePattern: home/#
exclude: ^test
workingDir: /var/lib/old
retries: 3
`);
  assert.deepEqual(config, {
    archive: {
      broker: { urls: ['mqtts://mq.example.org:8883'], clientId: 'mine', username: 'dev', password: 'secret', filters: ['home/#'] },
      layout: 'daily',
      exclude: { regex: ['^test'] },
      to: 's3://mqtt',
      s3: { endpoint: 'http://localhost:9000', accessKeyId: 'k', secretAccessKey: 's' },
    },
  });
  assert.deepEqual(
    notes.map((note) => note.split(/[ :]/)[0]),
    ['retries', 'mqtt.gracePeriod', 'mqtt.timeout', 'workingDir'],
  );
});

test('the defaults are its own: all topics, its client id, TLS to S3, nothing excluded', async () => {
  const { config } = await imported(
    'MQTT:\n  Broker: localhost:1883\ns3: {endpoint: minio:9000, accesskey: k, secretkey: s, bucket: mqtt}\nexclude: ""\n',
  );
  assert.deepEqual(config.archive, {
    broker: { urls: ['mqtt://localhost:1883'], clientId: 'mqtt-archiver-archive', filters: ['#'] },
    layout: 'daily',
    to: 's3://mqtt',
    s3: { endpoint: 'https://minio:9000', accessKeyId: 'k', secretAccessKey: 's' },
  });
});

test('addresses of brokers are read as its library reads them', async () => {
  for (const [broker, url] of [
    ['tcp://a:1', 'mqtt://a:1'],
    ['tls://a:1', 'mqtts://a:1'],
    ['ws://a:1/mqtt', 'ws://a:1/mqtt'],
    ['":1884"', 'mqtt://127.0.0.1:1884'],
  ] as const) {
    const { config } = await imported(`mqtt: {broker: ${broker}}`);
    assert.deepEqual((config.archive as { broker: { urls: string[] } }).broker.urls, [url]);
  }
  const { config } = await imported('mqtt: {broker: "tcp://u:p%40@a:1"}');
  assert.deepEqual((config.archive as { broker: unknown }).broker, {
    urls: ['mqtt://a:1'],
    username: 'u',
    password: 'p@',
    clientId: 'mqtt-archiver-archive',
    filters: ['#'],
  });
});

test('Amazon is a region, not an endpoint; without a bucket the archive stays here; a long grace period is the deadline', async () => {
  const { config } = await imported(
    'mqtt: {broker: "a:1", gracePeriod: 1m}\ns3: {endpoint: s3.eu-west-1.amazonaws.com, accessKey: k, secretKey: s, bucket: mqtt}',
  );
  assert.deepEqual((config.archive as { s3: unknown }).s3, { region: 'eu-west-1', accessKeyId: 'k', secretAccessKey: 's' });
  assert.deepEqual(config.shutdown, { deadline: '1m' });
  const { config: local, notes } = await imported('mqtt: {broker: "a:1"}');
  assert.equal('to' in (local.archive as object), false);
  assert.match(notes.join(), /no bucket/);
});

test('a regular expression of Go is translated, or refused by name', async () => {
  const { config } = await imported('mqtt: {broker: "a:1"}\nexclude: "(?i)\\\\A(?P<x>test)\\\\z"');
  const [regex] = (config.archive as { exclude: { regex: string[] } }).exclude.regex;
  assert.equal(regex, '(?i:^(?<x>test)$)');
  assert.ok(new RegExp(regex!, 'u').test('TEST'));
  await assert.rejects(imported('mqtt: {broker: "a:1"}\nexclude: "a("'), { code: 'HYD_USAGE', message: /exclude "a\("/ });
});

test('a file without a broker, or that is no YAML, is refused', async () => {
  await assert.rejects(imported('s3: {bucket: x}'), { code: 'HYD_USAGE', message: /no mqtt.broker/ });
  await assert.rejects(imported('a: [1'), { code: 'HYD_USAGE' });
});
