import { SubunitParser } from '../src/sources/subunit/parser.ts';
import { readStream } from '../src/sources/subunit/stream.ts';
import { STATUS, subunitPacket } from '../src/testing/subunit-stream.ts';
import type { Result } from './results.ts';
import type { RunOptions } from './throughput.ts';

const TESTS = 100_000;
const PACKETS_EACH = 3;
const CHUNK_BYTES = 64 * 1024;

/**
 * Packets of a subunit v2 stream a second, in pieces of 64 KiB: found, checked and read (`parsedPerSecond`), and put together to tests with their times, tags and
 * attachments (`testsPerSecond`).
 */
export async function runSubunit(options: RunOptions): Promise<Result['runs']> {
  const pieces = cutStream();
  const parser: number[] = [];
  const tests: number[] = [];
  for (let run = -1; run < options.runs; run++) {
    const [parsed, read] = [await measure(options.seconds, () => parse(pieces)), await measure(options.seconds, () => readTests(pieces))];
    // The first run warms up.
    if (run === -1) continue;
    parser.push(parsed);
    tests.push(read);
  }
  return { subunit: { parsedPerSecond: parser, testsPerSecond: tests } };
}

function cutStream(): Buffer[] {
  const packets: Buffer[] = [];
  for (let i = 0; i < TESTS; i++) {
    const testId = `warehouse.tests.test_shelves.ShelfTest.test_number_${i}`;
    packets.push(
      subunitPacket({ testId, status: STATUS.inprogress, seconds: 1_700_000_000 + i, nanoseconds: 250_000_000 }),
      subunitPacket({ testId, fileName: 'log', fileBytes: Buffer.alloc(200, 'x'), mimeType: 'text/plain;charset=utf8' }),
      subunitPacket({ testId, status: STATUS.success, seconds: 1_700_000_001 + i, tags: ['worker-1'] }),
    );
  }
  const all = Buffer.concat(packets);
  return Array.from({ length: Math.ceil(all.length / CHUNK_BYTES) }, (_, i) => all.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES));
}

/** A second of processor time, which is what one core does. */
async function measure(seconds: number, readAll: () => number | Promise<number>): Promise<number> {
  const before = process.cpuUsage();
  let packets = 0;
  let spentSeconds = 0;
  while (spentSeconds < seconds) {
    packets += await readAll();
    const { user, system } = process.cpuUsage(before);
    spentSeconds = (user + system) / 1e6;
  }
  return packets / spentSeconds;
}

function parse(pieces: readonly Buffer[]): number {
  let packets = 0;
  const parser = new SubunitParser({ onPacket: () => void packets++ });
  for (const piece of pieces) parser.push(piece);
  parser.end();
  return checked(packets);
}

async function readTests(pieces: readonly Buffer[]): Promise<number> {
  let tests = 0;
  await readStream(toAsync(pieces), () => void tests++);
  return checked(tests * PACKETS_EACH);
}

async function* toAsync(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces;
}

function checked(packets: number): number {
  if (packets !== TESTS * PACKETS_EACH) throw new Error(`${packets} packets of ${TESTS * PACKETS_EACH}`);
  return packets;
}
