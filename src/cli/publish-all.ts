import { HydrantError } from '../core/errors.ts';
import type { Client, PublishRequest } from '../mqtt/client.ts';

export interface PublishAllOptions {
  /** Publishes out and not acknowledged, at most. */
  window: number;
  /** Without a single acknowledgement for this long, while some are awaited, it gives up; milliseconds. */
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
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const acked = new Set<number>();
  let sent = 0;
  let done = 0;
  let wake: (() => void) | undefined;
  const onAck = (index: number): void => {
    timer?.refresh();
    acked.add(index);
    for (; acked.delete(done); done++) options.onAcked?.(done);
    wake?.();
  };
  const room = async (limit: number): Promise<void> => {
    while (sent - done > limit) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await Promise.race([promise, failed.promise]);
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      if (sent > done)
        failed.reject(
          new HydrantError('HYD_TIMEOUT', `no acknowledgement for ${timeoutMs / 1000} s`, {
            fix: 'Check the server, or allow more time with --timeout.',
          }),
        );
    }, timeoutMs);
  };
  const onAbort = (): void => failed.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  void client.closed.then(({ error }) => failed.reject(error ?? new HydrantError('HYD_CLOSED', 'the connection was closed')));
  const source = requests[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { value, done: ended } = await Promise.race([source.next(), failed.promise]);
      if (ended) break;
      const index = sent++;
      watch();
      client.publish(value).then(() => onAck(index), failed.reject);
      await room(window - 1);
    }
    await room(0);
    return sent;
  } catch (error) {
    void source.return?.().catch(() => {});
    throw withCount(error, done, sent);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function withCount(error: unknown, done: number, sent: number): unknown {
  if (!(error instanceof HydrantError) || sent <= 1) return error;
  return new HydrantError(error.code, `${error.message} (${done} of ${sent} sent were acknowledged)`, { cause: error, fix: error.fix });
}
