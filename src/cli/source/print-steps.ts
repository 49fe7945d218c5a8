import { formatDuration } from '../../core/units.ts';
import type { TestStep } from '../../sources/source.ts';
import { escapeText } from '../escape.ts';
import { EXIT } from '../exit-codes.ts';
import { type Io, write } from '../io.ts';

const SHOWN_BYTES = 500;

/** Prints the steps of a test as they come. @returns the exit code: 0 when no step failed; after a signal what it broke off is no answer, and not told */
export async function printSteps(io: Io, steps: AsyncIterable<TestStep>, waitMs: number): Promise<number> {
  const startMs = performance.now();
  let failed = false;
  let events = 0;
  for await (const step of steps) {
    if (io.signal.aborted) break;
    if ('event' in step) {
      const text = Buffer.from(step.event.payload).toString('utf8', 0, SHOWN_BYTES);
      await write(
        io.stdout,
        `event  ${escapeText(step.event.topic)}  ${escapeText(text)}${step.event.payload.length > SHOWN_BYTES ? '…' : ''}\n`,
      );
      events++;
    } else if (step.ok) await write(io.stdout, `ok     ${escapeText(step.what)}\n`);
    else {
      failed = true;
      await write(io.stdout, `FAILED ${escapeText(step.what)}: ${escapeText(step.why)}\n       fix: ${escapeText(step.fix)}\n`);
    }
  }
  if (io.signal.aborted) return EXIT.interrupted;
  if (!failed && events === 0) {
    const within = performance.now() - startMs >= waitMs ? ` within ${formatDuration(waitMs)}` : '';
    await write(io.stdout, `ok     all of it works; no event came${within}\n`);
  }
  return failed ? EXIT.failed : EXIT.ok;
}
