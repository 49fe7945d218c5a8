import { setTimeout as delay } from 'node:timers/promises';
import { HydrantError } from '../core/errors.ts';
import type { Client } from '../mqtt/client.ts';
import type { Message } from '../mqtt/incoming.ts';
import { REPLAY_MARK } from '../wire/replay-mark.ts';
import { matchFilter } from '../wire/topic.ts';
import type { SubOptions } from './commands/sub.ts';
import { connect } from './connect.ts';
import type { Connecting } from './connection-options.ts';
import { EXIT } from './exit-codes.ts';
import type { Io } from './io.ts';
import { write } from './io.ts';
import { createMessagePrinter, type MessagePrinter } from './message-printer.ts';
import type { parseProperties } from './properties.ts';
import { historyFilter } from './since-topic.ts';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** Session expiry of MQTT 5 [§3.1.2.11.2]; without one, -c would keep nothing. */
const NEVER = 0xffff_ffff;

interface Wanted {
  target: Connecting;
  filters: string[];
  properties: ReturnType<typeof parseProperties>;
}

/** `sub`: prints what comes until there is a reason to stop. Resolves with the exit code. */
export async function listen(options: SubOptions, wanted: Wanted, io: Io): Promise<number> {
  const printer = createMessagePrinter(options, io);
  const timeout = new AbortController();
  const timer = options.wait === undefined ? undefined : setTimeout(() => timeout.abort(), options.wait);
  const signal = AbortSignal.any([io.signal, timeout.signal]);
  const bounded = options.count !== undefined || options.wait !== undefined;
  const left = { count: options.count ?? Number.POSITIVE_INFINITY };
  let pauseMs = FIRST_PAUSE_MS;
  let connected = false;
  try {
    for (;;) {
      try {
        await listenOnce(options, wanted, {
          printer,
          signal,
          left,
          again: connected,
          onSubscribed: () => {
            connected = true;
            pauseMs = FIRST_PAUSE_MS;
          },
        });
        return EXIT.ok;
      } catch (error) {
        if (io.signal.aborted) throw io.signal.reason;
        if (timeout.signal.aborted) return EXIT.timeout;
        const lost = error instanceof HydrantError && error.code === 'HYD_CONNECT';
        if (!connected || bounded || !lost) throw error;
        const missed = options.disableCleanSession ? '' : '; what comes meanwhile is missed (with -c -i ID it is kept)';
        await write(io.stderr, `hydrant sub: ${error.message}; connecting again${missed}\n`);
        await delay(pauseMs, undefined, { signal }).catch(() => {});
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      }
    }
  } finally {
    clearTimeout(timer);
    if (!io.signal.aborted) await printer.end();
  }
}

interface Session {
  printer: MessagePrinter;
  signal: AbortSignal;
  /** Messages still to be printed. */
  left: { count: number };
  again: boolean;
  onSubscribed(): void;
}

/** One connection: resolves when enough was printed, throws when it is lost or the signal aborts. */
async function listenOnce(options: SubOptions, wanted: Wanted, { printer, signal, left, again, onSubscribed }: Session): Promise<void> {
  const { receiveMaximum } = wanted.properties.connect.properties as { receiveMaximum?: number };
  await using client = await connect(wanted.target, signal, {
    clean: !options.disableCleanSession,
    receiveMaximum,
    sessionExpirySeconds: wanted.target.sessionExpiryS ?? (options.disableCleanSession ? NEVER : undefined),
  });
  const close = (): void => void client.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    const early = left.count;
    const subscribed = subscribe(client, options, wanted, again);
    subscribed.then(onSubscribed, close);
    if (options.exitOnSuback) return await subscribed;
    for await (const batch of client.messages) {
      signal.throwIfAborted();
      const done = await printBatch(client, batch, options, printer, left);
      if (done) return;
    }
    await subscribed;
    signal.throwIfAborted();
    throw new HydrantError('HYD_CONNECT', `the connection ended${left.count === early ? ' before a message came' : ''}`);
  } finally {
    signal.removeEventListener('abort', close);
  }
}

/** Prints, then acknowledges. True when enough has come; what is left of the batch stays unacknowledged. */
async function printBatch(
  client: Client,
  batch: Message[],
  options: SubOptions,
  printer: MessagePrinter,
  left: { count: number },
): Promise<boolean> {
  const printed: Message[] = [];
  let done = false;
  for (const message of batch) {
    if (options.retainedOnly && !message.retain) done = true;
    if (done || left.count === 0) break;
    if (options.removeRetained && message.retain) await client.publish({ topic: message.topic, payload: '', qos: 1, retain: true });
    if (!skips(options, message)) {
      await printer.print(message);
      left.count--;
    }
    printed.push(message);
  }
  await printer.flush();
  for (const message of printed) message.ack();
  return done || left.count === 0;
}

async function subscribe(client: Client, options: SubOptions, wanted: Wanted, again: boolean): Promise<void> {
  if (options.unsubscribe) await client.unsubscribe(options.unsubscribe);
  if (wanted.filters.length === 0 || (again && client.sessionPresent)) return;
  const { properties, userProperties } = wanted.properties.subscribe;
  await client.subscribe(
    wanted.filters.map((filter) => ({
      filter:
        options.since === undefined || again ? filter : historyFilter(options.since, filter, { nowMs: Date.now(), timeZone: options.tz }),
      qos: options.qos,
      retainAsPublished: options.retainAsPublished,
      retainHandling: options.retained ? 0 : 2,
    })),
    { ...(properties as { subscriptionIdentifier?: number }), userProperties: userProperties.length > 0 ? userProperties : undefined },
  );
}

function skips(options: SubOptions, message: Message): boolean {
  if (options.skipReplayed && message.userProperties?.some(([name]) => name === REPLAY_MARK)) return true;
  if (message.retain && !options.retained && !options.retainAsPublished) return true;
  return (options.filterOut ?? []).some((filter) => matchFilter(filter, message.topic));
}
