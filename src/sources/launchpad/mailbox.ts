import type { ImapFlow, SearchObject } from 'imapflow';
import { HydrantError } from '../../core/errors.ts';
import { mailFault } from './faults.ts';
import { compact } from './ledger.ts';
import { type LaunchpadOptions, portOf } from './options.ts';

/** Put on a mail with `\Seen` where the mailbox takes keywords, so that it is known again when its number has changed. */
export const PUBLISHED = '$HydrantPublished';
/** Launchpad's are a few KiB; RFC 5322 knows no limit. */
export const MAX_HEADER_BYTES = 262_144;
const MOST_LINE_BYTES = 16 << 20;
const NO_UID = 2 ** 32;

/** What is read of every mail. */
export interface MailHead {
  uid: number;
  flags: ReadonlySet<string>;
  bytes: number;
  receivedMs: number;
  /** Up to the first empty line; one byte more than MAX_HEADER_BYTES when there is more. */
  headers: Buffer;
}

/** A mailbox over one connection. Every method throws HYD_SOURCE when the connection does not work, and none works after that. */
export class Mailbox {
  readonly #client: ImapFlow;
  readonly #options: LaunchpadOptions;
  #failure: unknown;
  /** The server told of more mail since it was asked last. */
  #hasGrown = false;
  #wake: () => void = () => {};

  constructor(client: ImapFlow, options: LaunchpadOptions) {
    this.#client = client;
    this.#options = options;
    client.on('error', (error: unknown) => {
      this.#failure ??= error;
    });
    client.once('close', () => this.#wake());
    client.on('exists', () => {
      this.#hasGrown = true;
      this.#wake();
    });
  }

  get uidValidity(): string {
    return String(this.#selected().uidValidity);
  }

  get uidNext(): number {
    return this.#selected().uidNext ?? NO_UID;
  }

  get mails(): number {
    return this.#selected().exists;
  }

  /** @throws HYD_SOURCE when mails are to be marked and the server gives the mailbox for reading only */
  assertMarkable(): void {
    if (this.#options.after !== 'leave' && this.#selected().readOnly) throw this.#refusal('is for reading only');
  }

  get hasIdle(): boolean {
    return this.#client.capabilities.has('IDLE');
  }

  /** Without UIDPLUS (RFC 4315) what others have marked as deleted would go too. */
  get canExpunge(): boolean {
    return this.#client.capabilities.has('UIDPLUS');
  }

  async connect(): Promise<void> {
    await this.#ask(() => this.#client.connect());
  }

  async select(readOnly: boolean): Promise<void> {
    const { mailbox } = this.#options;
    await this.#ask(() =>
      this.#client.mailboxOpen(mailbox, { readOnly }).catch((error: unknown) => {
        if ((error as { responseStatus?: string }).responseStatus !== 'NO') throw error;
        const words = (error as { responseText?: string }).responseText ?? '';
        throw new HydrantError(
          'HYD_SOURCE',
          `there is no mailbox ${JSON.stringify(mailbox)} that ${this.#options.user} may open: ${words}`,
          {
            fix: 'Correct --mailbox: its whole path, with the separators of the server.',
            cause: error,
          },
        );
      }),
    );
  }

  /** The numbers of the mails behind this one, in order. */
  async newer(uid: number): Promise<number[]> {
    this.#hasGrown = false;
    await this.#ask(() => this.#client.noop());
    return (await this.#search(`${uid + 1}:*`)).filter((found) => found > uid);
  }

  /** Those of these mails that are still there. */
  async existing(uids: readonly number[]): Promise<number[]> {
    return uids.length === 0 ? [] : this.#search(compact(uids));
  }

  /** Whether a mail has a header with this text in it, as the server sees it: also where there are too many to be fetched. */
  async hasHeader(uid: number, name: string, text: string): Promise<boolean> {
    return (await this.#search(`${uid}`, { header: { [name]: text } })).length > 0;
  }

  async heads(uids: readonly number[]): Promise<MailHead[]> {
    const bodyParts = [{ key: 'HEADER', maxLength: MAX_HEADER_BYTES + 1 }];
    const query = { uid: true, flags: true, size: true, internalDate: true, bodyParts };
    const messages = await this.#ask(() => this.#client.fetchAll(compact(uids), query, { uid: true }));
    return messages
      .map(({ uid, flags = new Set<string>(), size = 0, internalDate, headers = Buffer.alloc(0) }) => {
        const receivedMs = new Date(internalDate ?? Number.NaN).getTime();
        return { uid, flags, bytes: size, receivedMs: Number.isNaN(receivedMs) ? 0 : receivedMs, headers };
      })
      .sort((a, b) => a.uid - b.uid);
  }

  /** Whole mails by number, up to `maxMail` of each. */
  async sources(uids: readonly number[]): Promise<Map<number, Buffer>> {
    if (uids.length === 0) return new Map();
    const query = { uid: true, source: { start: 0, maxLength: this.#options.maxMail } };
    const messages = await this.#ask(() => this.#client.fetchAll(compact(uids), query, { uid: true }));
    return new Map(messages.flatMap(({ uid, source }) => (source ? [[uid, source] as const] : [])));
  }

  /** @param set of numbers, as the protocol writes it */
  async mark(set: string): Promise<void> {
    const isExpunged = this.#options.after === 'expunge';
    const flags = isExpunged ? ['\\Seen', '\\Deleted', PUBLISHED] : ['\\Seen', PUBLISHED];
    const isDone = await this.#ask(() => this.#client.messageFlagsAdd(set, flags, { uid: true, silent: true }));
    if (!isDone) throw this.#refusal('does not let mails be flagged');
    if (!isExpunged || !this.canExpunge) return;
    if (!(await this.#ask(() => this.#client.messageDelete(set, { uid: true })))) throw this.#refusal('does not let mails be expunged');
  }

  /** Resolves when there may be more mail: when the server says so, at latest after this time; when `due` does; and when the connection has ended. */
  async wait(ms: number, due: Promise<void>): Promise<void> {
    if (this.#hasGrown || !this.#client.usable) return;
    if (this.hasIdle) void this.#client.idle().catch(() => {});
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    void due.then(resolve);
    await promise;
    clearTimeout(timer);
  }

  /** Ends the connection at once. */
  close(): void {
    this.#client.close();
  }

  /** Says good-bye first, if the server still listens. */
  async leave(): Promise<void> {
    await this.#client.logout().catch(() => {});
    this.close();
  }

  async #search(uids: string, more: SearchObject = {}): Promise<number[]> {
    const found = await this.#ask(() => this.#client.search({ uid: uids, ...more }, { uid: true }));
    if (!found) throw this.#refusal('does not list its mails');
    return found;
  }

  /** With the connection's own error where there is one: it says more than that the connection is gone. */
  async #ask<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      throw mailFault(this.#failure ?? error, this.#options);
    }
  }

  #refusal(what: string): HydrantError {
    if (this.#failure) return mailFault(this.#failure, this.#options);
    const { host, mailbox } = this.#options;
    const place = `${host}:${portOf(this.#options)}`;
    if (!this.#client.usable) return new HydrantError('HYD_SOURCE', `${place} closed the connection`);
    return new HydrantError('HYD_SOURCE', `the mailbox ${JSON.stringify(mailbox)} of ${place} ${what}`, {
      fix: 'Give the user the right to change flags and to delete in this mailbox, or use --after leave.',
    });
  }

  #selected(): { uidValidity: bigint; uidNext?: number; exists: number; readOnly?: boolean | undefined } {
    if (!this.#client.mailbox) throw this.#refusal('is not open');
    return this.#client.mailbox;
  }
}

/** Loads the library. @param ca certificates, PEM @throws nothing that has to do with the server: it is not connected */
export async function createMailbox(options: LaunchpadOptions, ca: Buffer | undefined): Promise<Mailbox> {
  const { ImapFlow } = await import('imapflow');
  const { host, tls, insecure, user, password, timeout, maxMail } = options;
  const client = new ImapFlow({
    host,
    port: portOf(options),
    secure: tls === 'on',
    ...(tls !== 'on' && { doSTARTTLS: tls === 'starttls' }),
    tls: { rejectUnauthorized: !insecure, ...(ca && { ca }) },
    auth: { user, pass: password },
    clientInfo: { name: 'Hydrant' },
    logger: false,
    disableAutoIdle: true,
    connectionTimeout: timeout,
    // Before the silence is noticed that is no greeting's.
    greetingTimeout: Math.floor(timeout * 0.9),
    socketTimeout: timeout,
    maxLiteralSize: Math.max(maxMail, MAX_HEADER_BYTES) + 1,
    maxLineLength: MOST_LINE_BYTES,
    maxResponseSize: Math.max(maxMail, MAX_HEADER_BYTES) + MOST_LINE_BYTES,
  });
  return new Mailbox(client, options);
}
