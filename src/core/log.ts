export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** How every part says what happened: a sentence, and the values as fields. Never a payload, never a secret. */
export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

export const silentLog: Log = () => {};
