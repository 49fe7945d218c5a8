import type { AttachmentStream, MessageText } from 'mailparser';

/** To take the marks out of HTML costs the square of its depth; Launchpad writes plain text. */
const MAX_HTML_CHARACTERS = 1 << 17;
/** One MIME part that is not text is read past; parts of parts beyond the library's 1 000 make the mail unreadable. */
const OPTIONS = { skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true, maxHtmlLengthToParse: MAX_HTML_CHARACTERS };
const MAX_MS = 60_000;

/**
 * The text of a mail, decoded; of HTML where there is nothing else, without its marks.
 * @throws what a mail that is not MIME throws
 */
export async function readMailText(source: Uint8Array): Promise<string> {
  const { MailParser } = await import('mailparser');
  const parser = new MailParser(OPTIONS);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const late = setTimeout(() => reject(new Error(`it was not parsed within ${MAX_MS} ms`)), MAX_MS);
  let text = '';
  parser.on('data', (part: AttachmentStream | MessageText) => {
    if (part.type === 'text') text = part.text ?? '';
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
