import type { OutboxEvent } from '../../client/outbox/outbox.ts';
import { HydrantError } from '../../core/errors.ts';
import { assertTopic } from '../../wire/topic.ts';
import type { PubOptions } from '../commands/pub.ts';
import { resolveConnection } from '../connection-options.ts';
import type { Io } from '../io.ts';
import { readPayloads } from '../payloads.ts';
import { outgoingEvents } from './outgoing.ts';

/** `pub --outbox`. Nothing is connected, nor loaded that connects, with `--no-wait`. @throws as `storeOnly` and `sendStored` */
export async function publishThroughOutbox(options: PubOptions & { outbox: string }, io: Io): Promise<void> {
  const { outbox, wait, flush, channel, timeout: timeoutMs } = options;
  const { signal } = io;
  const target = resolveConnection(options, io.env, 5);
  const events = flush ? none(options) : read(options, target.topic, io);
  if (wait) {
    const { sendStored } = await import('./send-stored.ts');
    await sendStored(events, { outbox, target, channel, timeoutMs, signal });
  } else {
    const { storeOnly } = await import('./store-only.ts');
    await storeOnly(outbox, events);
  }
}

function read(options: PubOptions, urlTopic: string | undefined, io: Io): AsyncIterable<OutboxEvent> {
  const topic = options.topic ?? urlTopic;
  if (topic === undefined)
    throw new HydrantError('HYD_USAGE', 'no topic was given', { fix: 'Give one with -t TOPIC, or --flush to send what is there.' });
  assertTopic(topic);
  const { signal, stdin } = io;
  // Nothing else ends a read from a pipe that is silent.
  if (options.stdinLine || options.stdinFile) signal.addEventListener('abort', () => stdin.destroy(signal.reason as Error), { once: true });
  return outgoingEvents(topic, readPayloads(options, io), options);
}

/** Nothing to store. @throws HYD_USAGE for a message beside `--flush` */
function none({ topic, message, file, stdinLine, stdinFile, nullMessage, wait }: PubOptions): AsyncIterable<never> {
  if ([topic, message, file, stdinLine, stdinFile, nullMessage].some((given) => given !== undefined))
    throw new HydrantError('HYD_USAGE', '--flush sends what is there, and a message is given too', { fix: 'Leave one of them out.' });
  if (!wait) throw new HydrantError('HYD_USAGE', '--flush and --no-wait exclude each other', { fix: 'Leave one of them out.' });
  return (async function* () {})();
}
