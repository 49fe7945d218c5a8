import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SCHEMAS } from '../../src/sources/catalogue/schemas.ts';
import { Child } from '../../src/testing/child.ts';
import { within } from '../../src/testing/deadline.ts';
import { runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const PROGRAM = fileURLToPath(new URL('clients/mqttwarn.py', import.meta.url));
const GUIDE = readFileSync(new URL('../../docs/guide/mqttwarn.md', import.meta.url), 'utf8');
const PATIENCE_MS = 60_000;

interface Mail {
  to: string[];
  text: string;
}

/** Takes mail, as little of SMTP as that needs. */
async function startMailServer(): Promise<AsyncDisposable & { port: number; mailTo(address: string): Promise<Mail> }> {
  const mails: Mail[] = [];
  const waiting = new Set<() => void>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    let mail: Mail = { to: [], text: '' };
    let isText = false;
    socket.write('220 mail.test\r\n');
    const lines = createInterface({ input: socket }).on('error', () => {});
    lines.on('line', (line) => {
      if (isText && line !== '.') mail.text += `${line}\n`;
      else if (isText) {
        isText = false;
        mails.push(mail);
        mail = { to: [], text: '' };
        for (const wake of waiting) wake();
        socket.write('250 taken\r\n');
      } else if (/^rcpt to:/i.test(line)) {
        mail.to.push(/<(.*)>/.exec(line)![1]!);
        socket.write('250 ok\r\n');
      } else if (/^data/i.test(line)) {
        isText = true;
        socket.write('354 go on\r\n');
      } else if (/^quit/i.test(line)) socket.end('221 bye\r\n');
      else socket.write('250 ok\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const mailTo = async (address: string): Promise<Mail> => {
    for (;;) {
      const found = mails.find(({ to }) => to.includes(address));
      if (found) return found;
      await new Promise<void>((resolve) => waiting.add(resolve));
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    mailTo: (address) => within(mailTo(address), PATIENCE_MS, `a mail to ${address}`),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function block(language: string): string {
  return new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(GUIDE)![1]!;
}

const exampleOf = (name: string): string => JSON.stringify(SCHEMAS.find((schema) => schema.name === name)!.examples[0]);

for (const [level, version] of [
  [4, 'MQTT 3.1.1'],
  [3, 'MQTT 3.1'],
] as const)
  test(`the calls of mqttwarn, with the files of the guide, mail what is published, also what came while it was away: ${version}`, async () => {
    await using folder = await createTempFolder();
    const data = join(folder.path, 'data');
    for (const name of ['mqttwarn', 'gerrit', 'launchpad']) {
      const added = await runHydrant(['user', 'add', name, '--password-file', '-', '--data', data], {
        input: `${name}-pw\n`,
        timeoutMs: PATIENCE_MS,
      });
      assert.equal(added.code, 0, added.stderr);
    }
    await using server = await startHydrant({ data, args: ['--preset', 'firehose'], readyTimeoutMs: PATIENCE_MS });
    await using smtp = await startMailServer();
    const ini = block('ini')
      .replace("'hydrant.example.org'", "'127.0.0.1'")
      .replace(/1883/, String(server.mqttPort))
      .replace("'its password'", "'mqttwarn-pw'")
      .replace('localhost:25', `127.0.0.1:${smtp.port}`)
      .replace(/^protocol.*$/m, `protocol = ${level}`);
    await writeFile(join(folder.path, 'mqttwarn.ini'), ini);
    await writeFile(join(folder.path, 'functions.py'), block('python'));
    const start = (): Child => new Child('/usr/bin/python3', [PROGRAM, folder.path]);
    using watcher = await RawClient.connect(server.mqttUrl, { auto: true });
    await watcher.subscribe('mqttwarn/alive');
    const alive = async (): Promise<string> =>
      String((await within(watcher.take('publish'), PATIENCE_MS, () => `mqttwarn/alive\n${program.text()}`)).payload);

    await using program = start();
    assert.equal(await alive(), '1');
    using gerrit = await RawClient.connect(server.mqttUrl, { username: 'gerrit', password: 'gerrit-pw', auto: true });
    gerrit.publish('gerrit/openstack/nova/change-merged', exampleOf('gerrit.change-merged'), { qos: 1 });
    await gerrit.take('puback');
    const merged = await smtp.mailTo('team@example.org');
    assert.deepEqual(merged.to, ['team@example.org']);
    assert.match(merged.text, /^Subject: gerrit\/openstack\/nova\/change-merged$/m);
    assert.match(bodyOf(merged), /^Boot instances without a second lookup\nhttps:\/\/review\.example\.org\/c\/openstack\/nova\/\+\/904512/);

    await program.kill('SIGKILL');
    assert.equal(await alive(), '0');
    using launchpad = await RawClient.connect(server.mqttUrl, { username: 'launchpad', password: 'launchpad-pw', auto: true });
    launchpad.publish('launchpad/octavia/bug/1680938', exampleOf('launchpad.bug'), { qos: 1 });
    await launchpad.take('puback');
    await using again = start();
    const bug = await smtp.mailTo('ann@example.org');
    assert.deepEqual(bug.to, ['ann@example.org', 'bob@example.org']);
    assert.match(bug.text, /^Subject: Bug 1680938 of octavia is Triaged$/m);
    assert.match(bodyOf(bug), /^Medium, assigned to mkowalski\n\nI can reproduce this/);
    await again.kill();
  });

/** Python sends it in base64. */
function bodyOf({ text }: Mail): string {
  return Buffer.from(text.slice(text.indexOf('\n\n')), 'base64').toString();
}
