import type { Message } from '../mqtt/incoming.ts';
import type { SubOptions } from './commands/sub.ts';
import { escapeBytes, escapeText } from './escape.ts';
import { createEventWriter } from './event-output.ts';
import type { Io } from './io.ts';
import { write } from './io.ts';
import { compileFormat } from './message-format.ts';
import { receivedEvent } from './received.ts';
import { timeFormatter } from './time-text.ts';

/** Prints received messages as `sub` was asked to. */
export interface MessagePrinter {
  print(message: Message): void | Promise<void>;
  /** Everything printed has left; before the acknowledgement. */
  flush(): Promise<void>;
  end(): Promise<void>;
}

/** mosquitto's way unless -o or -F says otherwise; on a terminal without control characters. */
export function createMessagePrinter(options: SubOptions, io: Io): MessagePrinter {
  if (options.output !== undefined && options.output !== 'raw') {
    const writer = createEventWriter(io, options.output, { time: timeFormatter(options.tz) });
    return {
      print: (message) => writer.event(receivedEvent(message, Date.now())),
      flush: () => writer.flush(),
      end: () => writer.end(),
    };
  }
  const format =
    options.format === undefined ? plainFormat(options.verbose ?? false, io.stdout.isTTY ?? false) : compileFormat(options.format);
  const eol = Buffer.from(options.eol ? '\n' : '');
  let parts: Buffer[] = [];
  const flush = async (): Promise<void> => {
    if (parts.length === 0) return;
    const chunk = Buffer.concat(parts);
    parts = [];
    await write(io.stdout, chunk, io.signal);
  };
  return {
    print(message) {
      const subscriptionIds = [message.properties?.subscriptionIdentifier ?? []].flat();
      const bytes = format({ event: receivedEvent(message, Date.now()), messageId: message.packetId, subscriptionIds });
      parts.push(io.stdout.isTTY ? Buffer.from(escapeBytes(bytes, { lines: true })) : bytes, eol);
    },
    flush,
    end: flush,
  };
}

function plainFormat(verbose: boolean, isTerminal: boolean): ReturnType<typeof compileFormat> {
  return ({ event }) => {
    const payload = Buffer.from(event.payload.buffer, event.payload.byteOffset, event.payload.byteLength);
    const topic = isTerminal ? escapeText(event.topic) : event.topic;
    return verbose ? Buffer.concat([Buffer.from(`${topic} `), payload]) : payload;
  };
}
