import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { HydrantError } from '../core/errors.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { configJsonSchema, describeConfig, loadConfig } from './config.ts';
import { listKeys } from './config-keys.ts';
import { configSchema } from './config-schema.ts';
import { openDoors } from './listener-options.ts';

/** Loads a YAML text as `dir/hydrant.yaml`, away from this machine's own environment. */
async function load(yaml: string | undefined, options: { env?: NodeJS.ProcessEnv; sets?: string[]; data?: string } = {}) {
  await using dir = await createTempFolder();
  const file = yaml === undefined ? undefined : join(dir.path, 'hydrant.yaml');
  if (file) await writeFile(file, yaml as string);
  const env = { HOME: dir.path, ...options.env };
  return { dir: dir.path, loaded: loadConfig({ env, file, sets: options.sets, data: options.data }) };
}

async function faultsOf(yaml: string | undefined, options: Parameters<typeof load>[1] = {}): Promise<string[]> {
  let dir = '';
  try {
    dir = (await load(yaml, options)).dir;
  } catch (error) {
    assert.ok(error instanceof HydrantError, String(error));
    assert.equal(error.code, 'HYD_CONFIG');
    return error.message.split('\n').map((line) => line.replace(/^\S*\/(?=hydrant\.yaml)/, ''));
  }
  assert.fail(`it was accepted (${dir})`);
}

test('without a file, variables and flags everything has its default', async () => {
  const { loaded, dir } = await load(undefined);
  assert.equal(loaded.config.listeners.mqtt.port, 1883);
  assert.equal(loaded.config.journal.rotate.bytes, 128 * 1024 ** 2);
  assert.equal(loaded.config.shutdown.deadline, 10_000);
  assert.equal(loaded.dataDir, join(dir, '.local/share/hydrant'));
  assert.equal(loaded.file, undefined);
  assert.ok(describeConfig(loaded).every((key) => key.origin === 'default' && key.description !== ''));
});

test('a flag wins over a variable, a variable over the file, the file over the default, and each value knows where it came from', async () => {
  const yaml = 'listeners:\n  mqtt:\n    port: 1\n    host: 127.0.0.2\n  http:\n    port: 2\nlog: {level: warn}\n';
  const { loaded } = await load(yaml, {
    env: { HYDRANT_LISTENERS_MQTT_PORT: '3', HYDRANT_LOG_LEVEL: 'error' },
    sets: ['log.level=info', 'log.level=debug'],
  });
  const { listeners, log } = loaded.config;
  assert.deepEqual([listeners.mqtt.port, listeners.mqtt.host, listeners.http.port, log.level], [3, '127.0.0.2', 2, 'debug']);
  const origins = Object.fromEntries(describeConfig(loaded).map((key) => [key.path, key.origin]));
  assert.equal(origins['listeners.mqtt.port'], 'environment HYDRANT_LISTENERS_MQTT_PORT');
  assert.match(origins['listeners.mqtt.host']!, /\/hydrant\.yaml:4:11$/);
  assert.match(origins['listeners.http.port']!, /\/hydrant\.yaml:6:11$/);
  assert.equal(origins['log.level'], 'flag --set log.level');
  assert.equal(origins['log.format'], 'default');
});

test('an unknown key is named with file, line, column and the nearest valid one', async () => {
  assert.deepEqual(await faultsOf('listeners:\n  mqtt:\n    prot: 1884\n'), [
    'hydrant.yaml:3:5: there is no key listeners.mqtt.prot; did you mean listeners.mqtt.port?',
  ]);
  assert.deepEqual(await faultsOf('lisseners: {}\n'), ['hydrant.yaml:1:1: there is no key lisseners; did you mean listeners?']);
  assert.match((await faultsOf('level: debug\n'))[0]!, /did you mean log\.level\?/);
  assert.match((await faultsOf('log:\n  xyzzy: 1\n'))[0]!, /hydrant\.yaml:2:3: there is no key log\.xyzzy \(known here: level, format\)/);
});

test('all wrong values are reported together, each with its place and what was expected', async () => {
  const yaml = `listeners:
  mqtt: {port: 65536}
  http: {port: eighty, host: ""}
journal:
  qos0: maybe
  exclude: [a/#, "b#"]
  rotate: {bytes: 10 potatoes, age: 15}
archive:
  broker: {filters: [a/#, b/#/c]}
log: {level: loud}
`;
  assert.deepEqual(await faultsOf(yaml), [
    'hydrant.yaml:2:16: listeners.mqtt.port is 65536: expected a whole number from 0 to 65535',
    'hydrant.yaml:3:30: listeners.http.host is "": expected text that is not empty',
    'hydrant.yaml:3:16: listeners.http.port is "eighty": expected a whole number from 0 to 65535',
    'hydrant.yaml:5:9: journal.qos0 is "maybe": expected true or false',
    'hydrant.yaml:6:12: journal.exclude is ["a/#","b#"]: expected topic filters such as "devices/+/debug" or "$noise/#"; "b#" is none: # stands for all that follows, so it must be the whole last level',
    'hydrant.yaml:7:19: journal.rotate.bytes is "10 potatoes": expected a size such as 64KiB, 128MiB or 10GB, at least 64KiB',
    'hydrant.yaml:7:37: journal.rotate.age is 15: expected a duration such as 250ms, 15m or 7d',
    'hydrant.yaml:9:21: archive.broker.filters is ["a/#","b/#/c"]: expected topic filters such as "devices/#"; "b/#/c" is none: # stands for all that follows, so it must be the whole last level',
    'hydrant.yaml:10:14: log.level is "loud": expected one of debug, info, warn, error',
  ]);
});

test('a value below its least is refused with the least', async () => {
  assert.match((await faultsOf('shutdown: {deadline: 5ms}\n'))[0]!, /shutdown\.deadline is "5ms": expected a duration .*, at least 100ms$/);
});

test('YAML that cannot be read, a value where a section belongs, and a key without a value are named with their place', async () => {
  assert.match((await faultsOf('log:\n  level: [debug\n'))[0]!, /^hydrant\.yaml:\d+:\d+: /);
  assert.match((await faultsOf('log: debug\n'))[0]!, /^hydrant\.yaml:1:6: log holds keys \(level, format\), not a single value/);
  assert.match((await faultsOf('- log\n'))[0]!, /^hydrant\.yaml:1:1: the file holds keys/);
  assert.match((await faultsOf('log: {level: debug, level: info}\n'))[0]!, /^hydrant\.yaml:1:21: .*unique/);
  assert.match((await faultsOf('log:\n  level:\n'))[0]!, /^hydrant\.yaml:2:\d+: log\.level is null: expected one of/);
});

test('an empty file and empty sections are fine, and anchors are followed', async () => {
  assert.equal((await load('')).loaded.config.log.level, 'info');
  assert.equal((await load('# nothing\nlog:\n')).loaded.config.log.level, 'info');
  const { listeners } = (await load('listeners:\n  mqtt: &l {host: 127.0.0.9, port: 0}\n  http: *l\n')).loaded.config;
  assert.deepEqual(listeners.http, { enabled: true, host: '127.0.0.9', port: 0 });
});

test('a variable that matches no key is refused with the nearest; those of clients, tests and Kubernetes are not ours', async () => {
  assert.deepEqual(await faultsOf(undefined, { env: { HYDRANT_LISTENERS_MQTT_PROT: '1' } }), [
    'environment HYDRANT_LISTENERS_MQTT_PROT: no key has this variable; did you mean HYDRANT_LISTENERS_MQTT_PORT?',
  ]);
  const env = {
    HYDRANT_URL: 'x',
    HYDRANT_CRASH: 'x',
    HYDRANT_SERVICE_HOST: '10.0.0.1',
    HYDRANT_PORT_1883_TCP: 'tcp://10.0.0.1:1883',
    HYDRANT_LOG_LEVEL: '',
  };
  assert.equal((await load(undefined, { env })).loaded.config.log.level, 'info');
});

test('a wrong value in a variable or a --set names it', async () => {
  assert.match(
    (await faultsOf(undefined, { env: { HYDRANT_LISTENERS_HTTP_PORT: 'x' } }))[0]!,
    /^environment HYDRANT_LISTENERS_HTTP_PORT: listeners\.http\.port is "x"/,
  );
  assert.match((await faultsOf(undefined, { sets: ['log.level=loud'] }))[0]!, /^flag --set log\.level: log\.level is "loud"/);
  assert.match((await faultsOf(undefined, { sets: ['log.levle=debug'] }))[0]!, /there is no key log\.levle; did you mean log\.level\?/);
  assert.match((await faultsOf(undefined, { sets: ['log=debug'] }))[0]!, /log is a section; set one of its keys: level, format/);
});

test('--set without = is a usage error', async () => {
  await assert.rejects(load(undefined, { sets: ['log.level'] }), { code: 'HYD_USAGE' });
});

test('--set and variables take YAML, so lists, switches and numbers can be given', async () => {
  const { loaded } = await load(undefined, {
    sets: ['journal.exclude=[noise/#, a/+/b]', 'journal.qos0=false', 'journal.rotate.bytes=1MiB'],
  });
  assert.deepEqual(loaded.config.journal.exclude, ['noise/#', 'a/+/b']);
  assert.equal(loaded.config.journal.qos0, false);
  assert.equal(loaded.config.journal.rotate.bytes, 1024 ** 2);
});

test('text keys take what --set gives as it stands', async () => {
  const { loaded } = await load(undefined, { sets: ['listeners.mqtt.host=127.1', 'listeners.allowAnonymousRemote=true'] });
  assert.equal(loaded.config.listeners.mqtt.host, '127.1');
});

test('VARIABLE_FILE gives the value from a file, without its last newline; both together are refused', async () => {
  await using dir = await createTempFolder();
  const file = join(dir.path, 'level');
  await writeFile(file, 'warn\n');
  assert.equal((await load(undefined, { env: { HYDRANT_LOG_LEVEL_FILE: file } })).loaded.config.log.level, 'warn');
  const both = await faultsOf(undefined, { env: { HYDRANT_LOG_LEVEL_FILE: file, HYDRANT_LOG_LEVEL: 'info' } });
  assert.match(both[0]!, /HYDRANT_LOG_LEVEL is set too/);
  const missing = await faultsOf(undefined, { env: { HYDRANT_LOG_LEVEL_FILE: join(dir.path, 'none') } });
  assert.match(missing[0]!, /^environment HYDRANT_LOG_LEVEL_FILE: log\.level: ENOENT/);
});

test('rules are read from the file, and --set changes one of them', async () => {
  const yaml = "acl:\n  anonymous: {subscribe: ['#']}\n  ann: {publish: ['%u/#'], deny: {publish: [ann/x]}}\n";
  const { acl } = (await load(yaml, { sets: ['acl.ann.publish=[b/#]', 'acl.bob={subscribe: [c]}', 'acl.ann.deny.subscribe=[d]'] })).loaded
    .config;
  const none = { publish: [], subscribe: [] };
  assert.deepEqual(acl, {
    anonymous: { publish: [], subscribe: ['#'], deny: none },
    ann: { publish: ['b/#'], subscribe: [], deny: { publish: ['ann/x'], subscribe: ['d'] } },
    bob: { publish: [], subscribe: ['c'], deny: none },
  });
  assert.deepEqual((await load(yaml, { env: { HYDRANT_ACL: '{eve: {}}' } })).loaded.config.acl, { eve: { ...none, deny: none } });
});

test('a mistake in a rule is named with its own place', async () => {
  const yaml = "acl:\n  ann:\n    publish: [a/#, 'x%u']\n    subscribe: a\n  bob: {pubish: [a]}\n  eve:\n";
  const patterns = 'expected topic filters such as "devices/+/state" or "%u/#", with %u and %c as whole levels';
  assert.deepEqual(await faultsOf(yaml), [
    `hydrant.yaml:3:14: acl.ann.publish is ["a/#","x%u"]: ${patterns}`,
    'hydrant.yaml:4:16: acl.ann.subscribe is "a": expected a list of topic filters',
    'hydrant.yaml:5:8: acl.bob: there is no key pubish (known here: publish, subscribe, deny)',
    'hydrant.yaml:6:7: acl.eve is null: expected keys: publish, subscribe, deny',
  ]);
  assert.match((await faultsOf(undefined, { sets: ['acl.ann.pubish=[a]'] }))[0]!, /there is no key acl\.ann\.pubish/);
  assert.match(
    (await faultsOf(undefined, { sets: ['acl.ann.publish=[a#]'] }))[0]!,
    /^flag --set acl\.ann\.publish: acl\.ann\.publish is \["a#"\]/,
  );
});

test('files of accounts and keys start at the folder of the configuration, and a URL stays one', async () => {
  const { loaded, dir } = await load('access: {users: people, jwt: {keys: keys.json}}\n');
  assert.deepEqual([loaded.config.access.users, loaded.config.access.jwt.keys], [join(dir, 'people'), join(dir, 'keys.json')]);
  const url = 'https://id.example/keys';
  assert.equal((await load(`access: {jwt: {keys: '${url}'}}\n`)).loaded.config.access.jwt.keys, url);
});

test('a certificate opens the doors with TLS; half of one, and a door that lacks one, are refused', async () => {
  const doors = async (yaml: string): Promise<string[]> => openDoors((await load(yaml)).loaded.config).map(({ name }) => name);
  assert.deepEqual(await doors(''), ['mqtt', 'http']);
  assert.deepEqual(await doors('tls: {cert: c, key: k}\n'), ['mqtt', 'mqtts', 'http', 'https']);
  assert.deepEqual(
    await doors('tls: {cert: c, key: k}\nlisteners: {mqtts: {enabled: false}, wss: {enabled: true}, ws: {enabled: true}}\n'),
    [...['mqtt', 'ws', 'wss', 'http', 'https']],
  );
  assert.match((await faultsOf('tls: {cert: c}\n'))[0]!, /^hydrant\.yaml:1:13: tls\.cert is given without tls\.key/);
  assert.match((await faultsOf('tls: {key: k}\n'))[0]!, /^hydrant\.yaml:1:12: tls\.key is given without tls\.cert/);
  assert.match(
    (await faultsOf('listeners: {https: {enabled: true}}\n'))[0]!,
    /^hydrant\.yaml:1:30: listeners\.https\.enabled is true, but there is no/,
  );
  assert.match(
    (await faultsOf('tls: {cert: c, key: k, clientCertificates: optional}\n'))[0]!,
    /^hydrant\.yaml:1:44: tls\.clientCertificates is optional, but tls\.ca names no authority/,
  );
});

test('two doors on one port, and a server without any door, are refused', async () => {
  assert.deepEqual(await faultsOf('listeners: {ws: {enabled: true, port: 8080}}\n'), [
    'default: listeners.http.port is 8080 on 127.0.0.1, and so is listeners.ws.port',
  ]);
  await load('listeners: {ws: {enabled: true, port: 8080, host: 127.0.0.2}, mqtt: {port: 0}, http: {port: 0}}\n');
  assert.match((await faultsOf('listeners: {mqtt: {enabled: false}, http: {enabled: false}}\n'))[0]!, /every listener is off/);
});

test('a path in the file starts at its folder, any other where the command was called', async () => {
  const { loaded, dir } = await load('tls: {cert: certs/c.pem, key: /etc/k.pem}\n', { sets: ['tls.ca=ca.pem'] });
  const { cert, key, ca } = loaded.config.tls;
  assert.deepEqual([cert, key, ca], [join(dir, 'certs/c.pem'), '/etc/k.pem', resolve('ca.pem')]);
});

test('archive.to takes a bucket or a folder, and is refused where nothing is sealed', async () => {
  for (const to of ['s3://events', 's3://events/site/1', 'file:///mnt/archive']) {
    assert.equal((await load(`archive: {to: "${to}"}\n`)).loaded.config.archive.to, to);
  }
  for (const to of ['/mnt/archive', 's3://', 'https://example.org/bucket', 's3://key:secret@events']) {
    assert.match(
      (await faultsOf(`archive: {to: "${to}"}\n`))[0]!,
      /archive\.to is .*: expected s3:\/\/bucket, s3:\/\/bucket\/prefix or file:\/\/\/dir/,
    );
  }
  assert.doesNotMatch((await faultsOf('archive: {to: "s3://key:secret@events"}\n'))[0]!, /secret/);
  assert.deepEqual(await faultsOf('archive:\n  enabled: false\n  to: s3://events\n'), [
    'hydrant.yaml:3:7: archive.to is given, but archive.enabled is false: nothing would be sealed to be uploaded',
  ]);
});

test('the daily layout with zstd is refused where the codec is given', async () => {
  assert.deepEqual(await faultsOf('archive:\n  layout: daily\n  codec: zstd\n'), [
    'hydrant.yaml:3:10: archive.codec is "zstd", but archive.layout: daily is gzip always',
  ]);
  assert.match(
    (await faultsOf('archive: {exclude: {regex: ["("]}}\n'))[0]!,
    /archive\.exclude\.regex is \["\("\]: expected regular expressions; "\(" is none: Unterminated group$/,
  );
});

test('the data folder: --data, then HYDRANT_DATA, then the file (relative to it), then the user’s data directory', async () => {
  const yaml = 'data: ./here\n';
  const { loaded, dir } = await load(yaml);
  assert.equal(loaded.dataDir, join(dir, 'here'));
  assert.equal((await load(yaml, { env: { HYDRANT_DATA: '/env' } })).loaded.dataDir, '/env');
  assert.equal((await load(yaml, { env: { HYDRANT_DATA: '/env' }, sets: ['data=/set'] })).loaded.dataDir, '/set');
  assert.equal((await load(yaml, { env: { HYDRANT_DATA: '/env' }, data: '/flag' })).loaded.dataDir, '/flag');
  const shown = async (options: Parameters<typeof load>[1]) =>
    describeConfig((await load(yaml, options)).loaded).find((key) => key.path === 'data')!;
  assert.equal((await shown({ env: { HYDRANT_DATA: '/env' } })).origin, 'environment HYDRANT_DATA');
  assert.equal((await shown({ data: '/flag' })).origin, 'flag --data');
  assert.match((await shown({})).origin, /hydrant\.yaml:1:7$/);
});

test('the file is --config, else HYDRANT_CONFIG, else hydrant.yaml in the data folder, which cannot name another folder', async () => {
  await using dir = await createTempFolder();
  await writeFile(join(dir.path, 'hydrant.yaml'), 'log: {level: warn}\n');
  await writeFile(join(dir.path, 'other.yaml'), 'log: {level: error}\n');
  const level = (options: { file?: string; env?: NodeJS.ProcessEnv }) =>
    loadConfig({ file: options.file, data: dir.path, env: options.env ?? {} }).config.log.level;
  assert.equal(level({}), 'warn');
  assert.equal(level({ env: { HYDRANT_CONFIG: join(dir.path, 'other.yaml') } }), 'error');
  assert.equal(level({ file: join(dir.path, 'hydrant.yaml'), env: { HYDRANT_CONFIG: join(dir.path, 'other.yaml') } }), 'warn');
  assert.throws(() => level({ file: join(dir.path, 'none.yaml') }), {
    code: 'HYD_CONFIG',
    message: /cannot read the configuration .*none\.yaml/,
  });
  await writeFile(join(dir.path, 'hydrant.yaml'), 'data: elsewhere\n');
  assert.throws(() => level({}), { code: 'HYD_CONFIG', message: /hydrant\.yaml:1:7: this file was found in the data folder/ });
});

test('no two keys share a variable', () => {
  const { keys, byEnv } = listKeys(configSchema);
  assert.equal(byEnv.size, keys.size);
});

test('the JSON Schema describes every key and takes what the loader takes', () => {
  const schema = configJsonSchema() as { properties: { listeners: { properties: { mqtt: { properties: Record<string, unknown> } } } } };
  assert.deepEqual(schema.properties.listeners.properties.mqtt.properties.port, {
    default: 1883,
    description: 'Port for MQTT over TCP; 0 picks a free one, which the ready line names.',
    type: 'integer',
    minimum: 0,
    maximum: 65_535,
  });
  for (const key of listKeys(configSchema).keys.values()) assert.ok(key.node.description, `${key.path} has no description`);
});
