import type { Writable } from 'node:stream';
import pino from 'pino';
import type { Log, LogLevel } from '../core/log.ts';

export interface AppLog {
  log: Log;
  setLevel(level: LogLevel): void;
}

const SEVERITY: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 };

/** JSON lines `{"level":"info","time":"2026-…Z",…fields,"message":"…"}`, one per entry. */
export function createJsonLog(stream: Writable, level: LogLevel): AppLog {
  const logger = pino(
    {
      level,
      base: undefined,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    log: (entryLevel, message, fields = {}) => logger[entryLevel](fields, message),
    setLevel(next) {
      logger.level = next;
    },
  };
}

/** Lines for people: `10:15:02 warn  the disk is full  segment=… code=ENOSPC`. Control characters are shown as escapes. */
export function createTextLog(stream: Writable, level: LogLevel, now: () => Date = () => new Date()): AppLog {
  let least = SEVERITY[level];
  return {
    log(entryLevel, message, fields = {}) {
      if (SEVERITY[entryLevel] < least) return;
      const values = Object.entries(fields).map(
        ([name, value]) => ` ${name}=${typeof value === 'string' ? plain(value) : JSON.stringify(value)}`,
      );
      stream.write(
        `${now().toISOString().slice(11, 19)} ${entryLevel.padEnd(5)} ${plain(message)}${values.length > 0 ? ` ${values.join('')}` : ''}\n`,
      );
    },
    setLevel(next) {
      least = SEVERITY[next];
    },
  };
}

/** Values may come from anywhere: nothing of them reaches the terminal as a control sequence. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
