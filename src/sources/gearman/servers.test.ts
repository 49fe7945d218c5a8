import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { createRandom } from '../../testing/random.ts';
import { startSource } from '../../testing/source-harness.ts';
import type { SourceContext } from '../source.ts';
import { subunit } from '../subunit/subunit.ts';
import { type BuildOptions, type BuildWork, workForBuilds } from './build-worker.ts';
import { connectGearman } from './connection.ts';
import { readAddress } from './options.ts';
import { COMMAND, type GearmanPacket, PacketReader } from './packet.ts';

/** A server that answers a worker's packets as a test says. */
async function startScripted(answer: (packet: GearmanPacket, socket: Socket, connection: number) => void) {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    const connection = connections++;
    sockets.add(socket);
    let held = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      held = Buffer.concat([held, bytes]);
      while (held.length >= 12 && held.length >= 12 + held.readUInt32BE(8)) {
        const end = 12 + held.readUInt32BE(8);
        answer({ command: held.readUInt32BE(4), data: held.subarray(12, end) }, socket, connection);
        held = held.subarray(end);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function response(command: number, data = ''): Buffer {
  const bytes = Buffer.from(`\0RES\0\0\0\0\0\0\0\0${data}`, 'latin1');
  bytes.writeUInt32BE(command, 4);
  bytes.writeUInt32BE(data.length, 8);
  return bytes;
}

/** Fails at once: its data is junk. */
const JOB = response(COMMAND.JOB_ASSIGN_UNIQ, 'H:1\0push-subunit\0u\0junk');

test('whatever a server sends that is not its protocol ends the connection, is counted, and the next connection is tried', async () => {
  const huge = Buffer.from('\0RES\0\0\0\x1f\xff\xff\xff\xff', 'latin1');
  const faults = [
    Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    huge,
    Buffer.from('\0REQ\0\0\0\x0a\0\0\0\0', 'latin1'),
    response(COMMAND.JOB_CREATED, 'H:1'),
    response(COMMAND.JOB_ASSIGN_UNIQ, 'only a handle'),
    Buffer.concat(Array(200).fill(response(COMMAND.NOOP))),
  ];
  await Promise.all(
    faults.map(async (fault, i) => {
      const failed = Promise.withResolvers<void>();
      await using server = await startScripted(({ command, data }, socket, connection) => {
        if (command === COMMAND.WORK_FAIL && data.toString() === 'H:1') failed.resolve();
        if (command === COMMAND.GRAB_JOB_UNIQ) socket.write(connection === 0 ? fault : JOB);
      });
      await using harness = await startSource(subunit, { gearman: [server.address] });
      await failed.promise;
      const { refused, errors } = harness.source.status();
      assert.deepEqual(refused, { 'a gearman server sent what is not its protocol': 1, 'a job is no JSON': 1 }, `fault ${i}`);
      assert.equal(errors, 1, `fault ${i}`);
    }),
  );
});

test('an error of the server, and packets cut anywhere, are no surprise', async () => {
  const random = createRandom('gearman cuts');
  const failed = Promise.withResolvers<void>();
  await using server = await startScripted(({ command }, socket, connection) => {
    if (command === COMMAND.WORK_FAIL) failed.resolve();
    if (command !== COMMAND.GRAB_JOB_UNIQ) return;
    if (connection === 0) socket.write(response(COMMAND.ERROR, 'no_such\0thing'));
    else if (connection === 1) socket.end(JOB.subarray(0, random.between(1, JOB.length - 1)));
    else for (const byte of Buffer.concat([response(COMMAND.NOOP), JOB])) socket.write(Buffer.of(byte));
  });
  await using harness = await startSource(subunit, { gearman: [server.address] });
  await failed.promise;
  const { errors, refused } = harness.source.status();
  assert.equal(errors, 2);
  assert.deepEqual(refused, { 'a job is no JSON': 1 });
  assert.ok(harness.logged.some(({ fields }) => String(fields.error).includes('it says: "no_such thing"')));
});

test('a server that has gone silent is asked for a sign of life; one that gives it keeps its connection, one that does not loses it', async () => {
  const reconnected = Promise.withResolvers<void>();
  const echoes: number[] = [];
  await using server = await startScripted(({ command, data }, socket, connection) => {
    if (connection > 0) reconnected.resolve();
    else if (command === COMMAND.GRAB_JOB_UNIQ) socket.write(response(COMMAND.NO_JOB));
    else if (command === COMMAND.ECHO_REQ && echoes.push(connection) < 4) socket.write(response(COMMAND.ECHO_RES, data.toString('latin1')));
  });
  await using harness = await startSource(subunit, { gearman: [server.address], silence: '20ms' });
  await reconnected.promise;
  assert.equal(echoes.length, 4);
  assert.match(harness.source.status().lastError!, /no sign of life for \d+ ms/);
});

test('a worker says who it is and what it can do, and sleeps when there is nothing to do', async () => {
  const seen: [number, string][] = [];
  const slept = Promise.withResolvers<void>();
  await using server = await startScripted(({ command, data }, socket) => {
    seen.push([command, data.toString()]);
    if (command === COMMAND.GRAB_JOB_UNIQ) socket.write(response(COMMAND.NO_JOB));
    if (command === COMMAND.PRE_SLEEP && seen.length < 6) socket.write(response(COMMAND.NOOP));
    else if (command === COMMAND.PRE_SLEEP) slept.resolve();
  });
  await using _ = await startSource(subunit, { gearman: [server.address], clientId: 'w1-pusher', function: 'f' });
  await slept.promise;
  assert.deepEqual(seen, [
    [COMMAND.SET_CLIENT_ID, 'w1-pusher'],
    [COMMAND.CAN_DO, 'f'],
    [COMMAND.GRAB_JOB_UNIQ, ''],
    [COMMAND.PRE_SLEEP, ''],
    [COMMAND.GRAB_JOB_UNIQ, ''],
    [COMMAND.PRE_SLEEP, ''],
  ]);
});

test('a job is answered once what it made is stored, and left with its server when it could not be', async () => {
  for (const isStored of [true, false]) {
    const order: string[] = [];
    const over = Promise.withResolvers<void>();
    const asked: Socket[] = [];
    await using server = await startScripted(({ command }, socket) => {
      if (command === COMMAND.ECHO_REQ) socket.write(response(COMMAND.ECHO_RES));
      else if (command === COMMAND.GRAB_JOB_UNIQ && asked.push(socket) === 1) {
        socket.once('close', () => order.push('left')).once('close', over.resolve);
        socket.write(response(COMMAND.JOB_ASSIGN_UNIQ, `H:1\0push-subunit\0u\0${JSON.stringify({ source_url: 'none:', event: {} })}`));
      } else if (command === COMMAND.WORK_FAIL) {
        order.push('answered');
        over.resolve();
      }
    });
    const storing = async (): Promise<void> => {
      // A round trip to the same server: an answer that was sent before has arrived by then.
      using connection = await connectGearman(readAddress(server.address), { silenceMs: 60_000, signal: new AbortController().signal });
      await connection.echo();
      order.push('stored');
      if (!isStored) throw new HydrantError('HYD_OUTBOX', 'the disk is full');
    };
    const context = {
      publish: async () => ({ id: '', stored: storing(), acked: Promise.resolve() }),
      refused() {},
      seen() {},
      up() {},
      log() {},
      random: () => 0,
    } as unknown as SourceContext;
    const work: BuildWork = { read: async () => {}, verdict: { schema: 's', failed: 'failed' } };
    const options = subunit.options.parse({ gearman: [server.address] }) as BuildOptions;
    const abort = new AbortController();
    const working = workForBuilds(options, work, context, abort.signal);
    if (isStored) {
      await over.promise;
      abort.abort();
      await working;
    } else await assert.rejects(working, { message: 'the disk is full' });
    await over.promise;
    assert.deepEqual(order.slice(0, 2), ['stored', isStored ? 'answered' : 'left']);
  }
});

test('noise never does more to a reader than make it throw', () => {
  const random = createRandom('gearman noise');
  let thrown = 0;
  for (let round = 0; round < 500; round++) {
    const noise = Buffer.from(Array.from({ length: random.between(1, 64) }, () => random.between(0, 255)));
    const bytes = Buffer.concat([...(round % 2 === 0 ? [response(COMMAND.NOOP)] : []), noise]);
    const reader = new PacketReader(1000);
    try {
      for (let at = 0; at < bytes.length; at += 7) reader.push(bytes.subarray(at, at + 7));
    } catch (error) {
      thrown++;
      assert.match((error as Error).message, /^(its bytes are no packet of gearman|a packet of \d+ bytes, more than 1000)$/);
    }
  }
  assert.ok(thrown > 300, `${thrown}`);
});
