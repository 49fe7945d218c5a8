import { JobFault } from '../gearman/build-job.ts';
import { SubunitParser } from './parser.ts';
import { Results, type TestResult, type Totals } from './results.ts';

/** Of a stream that was read to its end. */
export interface StreamTotals extends Totals {
  packets: number;
  /** What began as a packet and is none. */
  damaged: number;
  /** Bytes that belong to no packet. */
  other_bytes: number;
  /** Tests, tags and attachments beyond what is kept in mind at once. */
  left_out: number;
}

/**
 * Reads a subunit v2 stream.
 * @param onTest called for each test in the order in which they end, with its number; the stream waits for it
 * @throws JobFault when there are bytes, but no packet at all
 */
export async function readStream(
  bytes: AsyncIterable<Buffer>,
  onTest: (test: TestResult, number: number) => Promise<void> | void,
): Promise<StreamTotals> {
  const results = new Results();
  let ended: TestResult[] = [];
  let number = 0;
  const parser = new SubunitParser({
    onPacket(packet) {
      const test = results.add(packet);
      if (test) ended.push(test);
    },
  });
  const tell = async (): Promise<void> => {
    const tests = ended;
    ended = [];
    for (const test of tests) {
      const told = onTest(test, number++);
      if (told) await told;
    }
  };
  for await (const piece of bytes) {
    parser.push(piece);
    await tell();
  }
  parser.end();
  await tell();
  const { packets, damaged, otherBytes } = parser.counts;
  if (packets === 0 && otherBytes > 0) throw new JobFault('a file is no subunit v2 stream');
  for (const test of results.end()) await onTest(test, number++);
  return { ...results.totals, packets, damaged, other_bytes: otherBytes, left_out: results.leftOut };
}
