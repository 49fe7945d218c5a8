/**
 * Every error that Hydrant raises on purpose, in one table: a stable code, whether trying the same
 * thing again can help, and the exact fix. `docs/reference/errors.md` is generated from it.
 */
export const ERRORS = {
  HYD_USAGE: { retryable: false, fix: 'Run the command with --help and correct the argument named above.' },
  HYD_CONFIG: { retryable: false, fix: 'Correct the key named above, then run `hydrant config check`.' },
  HYD_TOPIC: { retryable: false, fix: 'Publish to a topic without + or #, without NUL, at most 65 535 bytes of UTF-8.' },
  HYD_FILTER: { retryable: false, fix: 'Use + for one whole level and # only as the last level.' },
  HYD_DATA_BUSY: { retryable: false, fix: 'Stop the process named above, or give this one its own folder with --data DIR.' },
  HYD_DATA_FORMAT: { retryable: false, fix: 'Use the Hydrant version that wrote this folder, or a newer one.' },
  HYD_DATA_MISSING: { retryable: false, fix: 'Give the folder of a server with --data DIR or HYDRANT_DATA.' },
  HYD_PORT_BUSY: {
    retryable: false,
    fix: 'Stop the other program, or choose another port with the flag named above (0 picks a free one).',
  },
  HYD_JOURNAL_FULL: { retryable: true, fix: 'Free disk space in the data folder; publishing resumes by itself.' },
  HYD_JOURNAL_FAILED: { retryable: true, fix: 'Check the disk (dmesg, SMART) and start Hydrant again.' },
  HYD_JOURNAL_DAMAGED: {
    retryable: false,
    fix: 'Run `hydrant archive verify` to list what is damaged, and restore those files from a backup.',
  },
  HYD_STATE: { retryable: true, fix: 'Check the disk under the data folder and start Hydrant again.' },
  HYD_OUTBOX: { retryable: true, fix: 'Check the disk under the outbox: space, rights, dmesg. What it holds is kept.' },
  HYD_OUTBOX_FULL: {
    retryable: true,
    fix: 'Wait until the bus has taken some, raise the bound of the channel, or let it drop the oldest (`whenFull`).',
  },
  HYD_DROPPED: { retryable: false, fix: 'Raise the bound or the age named above if such events are wanted.' },
  HYD_QUARANTINED: {
    retryable: false,
    fix: 'Look with `hydrant outbox ls --outbox DIR`, then `hydrant outbox retry` or `drop` it by its id.',
  },
  HYD_CREDENTIALS: { retryable: true, fix: 'Check the key file and the claims named above.' },
  HYD_CLOSED: { retryable: true, fix: 'Open it again, then repeat the call.' },
  HYD_TIMEOUT: { retryable: true, fix: 'Try again, or allow more time.' },
  HYD_ABORTED: { retryable: true, fix: 'The caller stopped it; call again when it is wanted.' },
  HYD_CONNECT: { retryable: true, fix: 'Check that the server runs and that the URL is right.' },
  HYD_REFUSED: { retryable: false, fix: 'Check the account and what it may publish or read.' },
  HYD_TAKEN_OVER: { retryable: false, fix: 'Stop the other reader, or give each one a client id of its own.' },
  HYD_LOGIN: { retryable: false, fix: 'Give the name and password of an account, or a token that is valid now.' },
  HYD_BUSY: { retryable: true, fix: 'Try again in a few seconds.' },
  HYD_SLOWED: { retryable: true, fix: 'Correct the password that some program at this address uses, then wait a little.' },
  HYD_PROTOCOL: { retryable: false, fix: 'The peer broke its protocol; check its version and configuration.' },
  HYD_TOO_LARGE: { retryable: false, fix: 'Send less at a time, or raise the limit named above.' },
  HYD_UNSUPPORTED: { retryable: false, fix: 'Use an engine that offers this; `docs/design.md` has the table.' },
  HYD_NOT_FOUND: { retryable: false, fix: 'Check method and path; docs/reference/http.md lists what there is.' },
  HYD_INTERNAL: { retryable: false, fix: 'This is a defect of Hydrant: report it with the lines of the log around it.' },
  HYD_OBJECT_EXISTS: { retryable: false, fix: 'Compare the two objects; nothing was overwritten.' },
  HYD_OBJECT_MISSING: { retryable: false, fix: 'Check the key and the store; `hydrant archive ls` lists what is there.' },
  HYD_OBJECT_DAMAGED: {
    retryable: false,
    fix: 'Run `hydrant archive verify`; what is sealed wrongly is sealed again, what rotted on disk comes from a backup.',
  },
  HYD_OBJECT_KEY: { retryable: false, fix: 'Use levels separated by /, none empty or beginning with a dot, without NUL or backslash.' },
  HYD_STORE: { retryable: true, fix: 'Check the disk or the store under the archive: space, rights, dmesg. Nothing was removed.' },
  HYD_MANIFEST: { retryable: false, fix: 'Run `hydrant archive verify`; a manifest can be rebuilt from its object.' },
  HYD_BACKUP: { retryable: false, fix: 'Use another backup; nothing of this one was kept.' },
  HYD_SQL: {
    retryable: false,
    fix: 'Correct the SQL; `hydrant query "describe events"` lists the columns, docs/guide/query.md the helpers.',
  },
  HYD_SCHEMA: {
    retryable: false,
    fix: 'Correct the payload (`hydrant schema show` says what it must be), or leave `strict` off: then it is published and counted.',
  },
  HYD_SOURCE: { retryable: true, fix: 'Run `hydrant source test` with the same options: it tries each step and says what is wrong.' },
  HYD_EXPRESSION: { retryable: false, fix: 'Correct the CEL expression; docs/reference/cli.md lists the variables.' },
} as const satisfies Record<string, { retryable: boolean; fix: string }>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * The one error class. Branch on `code`, never on text.
 * The message says what happened and names the value at fault; `fix` says what to do about it.
 */
export class HydrantError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly fix: string;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; fix?: string; retryable?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.name = 'HydrantError';
    this.code = code;
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.fix = options.fix ?? ERRORS[code].fix;
  }
}

/** Node's own error code (`ENOSPC`, `EADDRINUSE`, …), or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** The text of whatever was thrown. OpenSSL's messages are a stack trace in one line, so its reason is taken. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { reason } = error as { reason?: unknown };
  return typeof reason === 'string' && /^ERR_O?SSL_/.test(systemCode(error) ?? '') ? reason : error.message;
}

/** What to do about whatever was thrown, where that is known. For logs, beside `errorText`. */
export function errorFix(error: unknown): string | undefined {
  return error instanceof HydrantError ? error.fix : undefined;
}
