import { errorFix, errorText } from '../../core/errors.ts';
import type { TestStep } from '../source.ts';
import { MailHeaders } from './mail-headers.ts';
import { createMailbox, MAX_HEADER_BYTES } from './mailbox.ts';
import { isFromLaunchpad, isPrivate } from './notification.ts';
import { type LaunchpadOptions, portOf } from './options.ts';
import { readEvents } from './reading.ts';

/** Of the end of the mailbox. */
const MAILS = 50;
const EVENTS = 3;

/** Opens the mailbox without changing anything in it, and shows the last events of the last mails. */
export async function* tryMailbox(options: LaunchpadOptions, ca: Buffer | undefined, signal: AbortSignal): AsyncGenerator<TestStep> {
  const { host, tls, mailbox: path, user, after } = options;
  const mailbox = await createMailbox(options, ca);
  const close = (): void => mailbox.close();
  signal.addEventListener('abort', close);
  let step = `connect to ${host}:${portOf(options)}${tls === 'off' ? '' : ' with TLS'} and log in as ${user}`;
  try {
    await mailbox.connect();
    yield { ok: true, what: step };
    step = `open the mailbox ${path}`;
    await mailbox.select(true);
    const told = mailbox.hasIdle ? 'the server tells of new mail' : 'the server is asked for new mail, for it has no IDLE';
    yield { ok: true, what: `${step}: ${mailbox.mails} mails; ${told}` };
    if (after === 'expunge' && !mailbox.canExpunge) {
      const why = 'it has no UIDPLUS, and a plain EXPUNGE would remove what others have marked';
      yield {
        ok: false,
        what: 'expunge',
        why,
        fix: 'Mails are only marked as deleted; expunge them with a mail program, or use --after flag.',
      };
    }
    step = 'read the last mails';
    const heads = await mailbox.heads((await mailbox.newer(0)).slice(-MAILS));
    const mails = heads
      .map((head) => ({ head, headers: new MailHeaders(head.headers) }))
      .filter(({ head, headers }) => isFromLaunchpad(headers) && head.headers.length <= MAX_HEADER_BYTES);
    const open = mails.filter(({ headers }) => options.private || !isPrivate(headers));
    yield { ok: true, what: `${step}: of ${heads.length}, ${mails.length} are Launchpad’s, ${mails.length - open.length} of them private` };
    const events = [];
    for (const mail of open.slice(-EVENTS)) {
      const sources = await mailbox.sources(mail.head.bytes <= options.maxMail ? [mail.head.uid] : []);
      events.push(...((await readEvents(mail, sources.get(mail.head.uid), options, () => {})) ?? []));
    }
    for (const event of events.slice(-EVENTS)) yield { event };
  } catch (error) {
    yield { ok: false, what: step, why: errorText(error), fix: errorFix(error) ?? 'Try again.' };
  } finally {
    signal.removeEventListener('abort', close);
    await mailbox.leave();
  }
}
