/**
 * Gives what `source` gives, and lets `begin` start on the next few meanwhile, so that what is slow to come does not set the pace.
 * What fails in `begin` fails again when it is asked for.
 */
export async function* lookAhead<T>(source: AsyncIterable<T>, begin: (item: T) => Promise<unknown>, count = 8): AsyncGenerator<T> {
  const waiting: T[] = [];
  for await (const item of source) {
    begin(item).catch(() => {});
    waiting.push(item);
    if (waiting.length > count) yield waiting.shift()!;
  }
  yield* waiting;
}
