import type { z } from 'zod';
import type { SourceKind } from '../source.ts';
import { LineEvents } from './line-events.ts';
import { stdinOptions } from './options.ts';

/** Lines of standard input. It has ended once the pipe is closed and all is acknowledged. */
export const stdin: SourceKind<z.output<typeof stdinOptions>> = {
  name: 'stdin',
  summary: 'lines of a pipe, until it is closed',
  options: stdinOptions,
  schemas: [],
  examples: [
    ['-t builds/log --url mqtt://mq < build.log', 'each line an event; exit 0 once the bus has acknowledged all'],
    ['-t events --format ndjson', 'objects that name their topic: {"topic":"a/b","n":1}'],
  ],
  async open(options, context) {
    const events = new LineEvents(options, context);
    let lines: AsyncGenerator<Buffer> | undefined;
    return {
      async run(signal) {
        context.up();
        await events.publishAgain();
        if (!lines) signal.addEventListener('abort', () => process.stdin.destroy(), { once: true });
        lines ??= events.linesOf(process.stdin);
        await events.publishFrom(lines);
      },
      async *test(signal) {
        signal.addEventListener('abort', () => process.stdin.destroy(), { once: true });
        yield { ok: true, what: 'standard input is open' };
        yield* events.firstOf(process.stdin);
      },
    };
  },
};
