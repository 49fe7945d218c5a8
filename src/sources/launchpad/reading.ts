import { errorText } from '../../core/errors.ts';
import type { Published, SourceContext, SourceEvent } from '../source.ts';
import type { Ledger } from './ledger.ts';
import { MailHeaders } from './mail-headers.ts';
import { readMailText } from './mail-text.ts';
import { MAX_HEADER_BYTES, type Mailbox, type MailHead, PUBLISHED } from './mailbox.ts';
import { isFromLaunchpad, isPrivate, readNotification } from './notification.ts';
import type { LaunchpadOptions } from './options.ts';

/** Mails whose headers are in memory at once. */
const CHUNK = 50;
/** Of whole mails in memory at once; a longer one comes alone. */
const GROUP_BYTES = 4 << 20;
/** Of an event; Launchpad takes texts of 50 000 characters. */
const MAX_EVENT_BYTES = 1 << 20;
const TOO_LONG = 'a mail is too long, and was published without its text';

/** What it needs of a mailbox. */
type ReadMailbox = Pick<Mailbox, 'newer' | 'existing' | 'hasHeader' | 'heads' | 'sources' | 'mark'>;

/** A mail that is to be published. */
interface Notification {
  head: MailHead;
  headers: MailHeaders;
}

/** Reads a mailbox on, publishes what is Launchpad's, and marks what the bus has acknowledged. */
export class Reading {
  readonly #mailbox: ReadMailbox;
  readonly #ledger: Ledger;
  readonly #context: SourceContext;
  readonly #options: LaunchpadOptions;

  constructor(mailbox: ReadMailbox, ledger: Ledger, context: SourceContext, options: LaunchpadOptions) {
    this.#mailbox = mailbox;
    this.#ledger = ledger;
    this.#context = context;
    this.#options = options;
  }

  /** All that is there now. */
  async readOn(): Promise<void> {
    const uids = await this.#mailbox.newer(this.#ledger.uid);
    for (let at = 0; at < uids.length; at += CHUNK) {
      await this.#readChunk(uids.slice(at, at + CHUNK));
      await this.markDue();
    }
    this.#context.seen();
  }

  async markDue(): Promise<void> {
    for (let set = this.#ledger.due(); set !== undefined; set = this.#ledger.due()) {
      await this.#mailbox.mark(set);
      this.#ledger.marked(set);
    }
  }

  async #readChunk(uids: readonly number[]): Promise<void> {
    try {
      const heads = await this.#mailbox.heads(uids);
      const given = new Set(heads.map(({ uid }) => uid));
      for (const uid of await this.#mailbox.existing(uids.filter((uid) => !given.has(uid))))
        await this.#giveUp('the server lists a mail and does not give it', { uid, receivedMs: this.#context.now() });
      const notifications: Notification[] = [];
      for (const head of heads) {
        const headers = new MailHeaders(head.headers);
        if (await this.#isToBePublished(head, headers)) notifications.push({ head, headers });
      }
      for (const group of groups(notifications)) await this.#publishGroup(group);
      this.#ledger.reached(uids.at(-1)!);
    } finally {
      this.#ledger.save();
    }
  }

  async #isToBePublished(head: MailHead, headers: MailHeaders): Promise<boolean> {
    const { uid, flags, receivedMs } = head;
    const isCut = head.headers.length > MAX_HEADER_BYTES;
    if (!isFromLaunchpad(headers) && !(isCut && (await this.#mailbox.hasHeader(uid, 'X-Generated-By', 'Launchpad')))) return false;
    if (flags.has(PUBLISHED) || this.#ledger.isOld(uid, flags.has('\\Seen'), receivedMs)) return false;
    if (isCut) {
      await this.#giveUp('a mail has more headers than can be read', head);
      return false;
    }
    if (this.#options.private || !isPrivate(headers)) return true;
    this.#context.refused('private, and not published', { uid });
    return false;
  }

  async #publishGroup(group: readonly Notification[]): Promise<void> {
    const short = group.filter(({ head }) => head.bytes <= this.#options.maxMail);
    const sources = await this.#mailbox.sources(short.map(({ head }) => head.uid));
    for (const notification of group) {
      const { head } = notification;
      const events = await readEvents(notification, sources.get(head.uid), this.#options, (reason, why) =>
        this.#context.refused(reason, { uid: head.uid, bytes: head.bytes, ...(why !== undefined && { why }) }),
      );
      if (!events) await this.#giveUp('a mail would become too many events', head);
      else await this.#publish(head, events);
    }
  }

  async #publish({ uid, receivedMs }: MailHead, events: readonly SourceEvent[]): Promise<void> {
    const published: Published[] = [];
    for (const event of events) {
      const one = await this.#context.publish(event);
      // Not marked: whoever looks into the mailbox finds it.
      if (one.isRefused) return;
      published.push(one);
    }
    this.#ledger.published(uid, published);
    this.#context.seen(this.#context.now() - receivedMs);
  }

  /** The mail stays where it is; readers are told that something is missing. */
  async #giveUp(reason: string, { uid, receivedMs }: { uid: number; receivedMs: number }): Promise<void> {
    this.#context.refused(reason, { uid });
    const until = new Date(receivedMs).toISOString();
    await this.#context.gap({ base: this.#options.base, reason: 'unreadable', until, detail: `${reason}: number ${uid}` });
  }
}

/**
 * The events of a mail; without its text where it is too long, cannot be read, or was not fetched; undefined if they are too much all the same.
 * @param refused told of a text that is left out
 */
export async function readEvents(
  { head, headers }: Notification,
  source: Uint8Array | undefined,
  { base, maxMail }: LaunchpadOptions,
  refused: (reason: string, why?: string) => void,
): Promise<SourceEvent[] | undefined> {
  const block = head.headers;
  const tasks = headers.all('X-Launchpad-Bug');
  const shared = block.length - tasks.reduce((bytes, task) => bytes + task.length, 0);
  const fits = (bytes: number): boolean => bytes <= MAX_EVENT_BYTES && bytes * Math.max(1, tasks.length) <= maxMail;
  if (!fits(shared)) return undefined;
  let body: string | undefined;
  if (head.bytes > maxMail) refused(TOO_LONG);
  else if (source === undefined) refused('a mail was gone before its text was read, and was published without it');
  else
    try {
      body = await readMailText(source);
    } catch (error) {
      refused('the text of a mail could not be read, and it was published without it', errorText(error));
    }
  if (body !== undefined && !fits(shared + Buffer.byteLength(body))) {
    refused(TOO_LONG);
    body = undefined;
  }
  return readNotification({ headers, block, body }, base);
}

/** Neighbours that can be fetched with one command. */
function* groups(notifications: readonly Notification[]): Iterable<Notification[]> {
  let group: Notification[] = [];
  let bytes = 0;
  for (const notification of notifications) {
    if (group.length > 0 && bytes + notification.head.bytes > GROUP_BYTES) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(notification);
    bytes += notification.head.bytes;
  }
  if (group.length > 0) yield group;
}
