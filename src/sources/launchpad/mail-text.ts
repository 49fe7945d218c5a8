import type { AttachmentStream, MessageText } from 'mailparser';
import { MAX_HEADER_BYTES } from './mailbox.ts';

/** HTML is not turned into text: to take its marks away costs the square of its depth. */
const OPTIONS = { skipTextToHtml: true, skipHtmlToText: true, skipImageLinks: true, skipTextLinks: true, maxHeadSize: MAX_HEADER_BYTES };
const MAX_MS = 60_000;

/**
 * The text of a mail, decoded, without its attachments; HTML as it is where there is nothing else, which Launchpad does not send.
 * @throws when it is nested deeper than a mail is, or its parts have more headers
 */
export async function readMailText(source: Uint8Array): Promise<string> {
  const { MailParser } = await import('mailparser');
  const parser = new MailParser(OPTIONS);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const late = setTimeout(() => reject(new Error(`it was not parsed within ${MAX_MS} ms`)), MAX_MS);
  let text = '';
  parser.on('data', (part: AttachmentStream | MessageText) => {
    if (part.type === 'text') text = part.text || (typeof part.html === 'string' ? part.html : '');
    else part.content.on('data', () => {}).once('end', () => part.release());
  });
  parser.once('end', () => resolve(text));
  parser.once('error', reject);
  parser.end(source);
  try {
    return await promise;
  } finally {
    clearTimeout(late);
    parser.on('error', () => {});
    parser.destroy();
  }
}
