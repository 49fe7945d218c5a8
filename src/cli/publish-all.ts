import { HydrantError } from '../core/errors.ts';
import type { Client, PublishRequest } from '../mqtt/client.ts';

export interface PublishAllOptions {
  /** Publishes out and not acknowledged, at most. */
  window: number;
  /** Without an acknowledgement for this long (at most twice as long), while some are awaited, it gives up; milliseconds. */
  timeoutMs: number;
  signal: AbortSignal;
  /** In the order of the requests: everything up to this one is acknowledged. */
  onAcked?: (index: number) => void;
}

/**
 * Publishes one request after the other, `window` at a time, and resolves with their count once all are acknowledged.
 * @throws HYD_TIMEOUT, HYD_REFUSED, HYD_CONNECT, the signal's reason, or what the source throws; each names how many were acknowledged
 */
export async function publishAll(client: Client, requests: AsyncIterable<PublishRequest>, options: PublishAllOptions): Promise<number> {
  const { window, timeoutMs, signal } = options;
  // A race against one promise for all would keep every loser in memory.
  let failure: { error: unknown } | undefined;
  let interrupt: ((error: unknown) => void) | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    interrupt?.(failure.error);
  };
  const orFail = <T>(promise: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (failure) reject(failure.error);
      interrupt = reject;
      promise.then(resolve, reject);
    });
  const acked = new Set<number>();
  let sent = 0;
  let done = 0;
  let wake: (() => void) | undefined;
  const onAck = (index: number): void => {
    heard = true;
    acked.add(index);
    for (; acked.delete(done); done++) options.onAcked?.(done);
    wake?.();
  };
  const room = async (limit: number): Promise<void> => {
    while (sent - done > limit) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await orFail(promise);
    }
  };
  let heard = false;
  const timer = setInterval(() => {
    if (sent > done && !heard) {
      fail(
        new HydrantError('HYD_TIMEOUT', `no acknowledgement for ${timeoutMs / 1000} s`, {
          fix: 'Check the server, or allow more time with --timeout.',
        }),
      );
    }
    heard = sent === done;
  }, timeoutMs);
  const onAbort = (): void => fail(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  void client.closed.then(({ error }) => fail(error ?? new HydrantError('HYD_CLOSED', 'the connection was closed')));
  const source = requests[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { value, done: ended } = await orFail(source.next());
      if (ended) break;
      const index = sent++;
      client.publish(value).then(() => onAck(index), fail);
      await room(window - 1);
    }
    await room(0);
    return sent;
  } catch (error) {
    void source.return?.().catch(() => {});
    throw withCount(error, done, sent);
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function withCount(error: unknown, done: number, sent: number): unknown {
  if (!(error instanceof HydrantError) || sent <= 1) return error;
  return new HydrantError(error.code, `${error.message} (${done} of ${sent} sent were acknowledged)`, { cause: error, fix: error.fix });
}
