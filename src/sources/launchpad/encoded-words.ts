/** `=?charset*language?encoding?text?=`, RFC 2047 section 2 and RFC 2231 section 5. */
const WORD = /=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bq])\?([^?]*)\?=/gi;

/**
 * Decodes the encoded words of a header's value. Space between two of them goes (RFC 2047 section 6.2), and the bytes of neighbours in one charset are
 * decoded together, because senders split characters. A charset that nobody knows is read as UTF-8.
 */
export function decodeWords(text: string): string {
  let decoded = '';
  let end = 0;
  let charset = '';
  let bytes: Buffer[] = [];
  const flush = (): void => {
    if (bytes.length > 0) decoded += decodeCharset(Buffer.concat(bytes), charset);
    bytes = [];
  };
  for (const { 0: word, 1: name = '', 2: encoding = '', 3: body = '', index } of text.matchAll(WORD)) {
    const between = text.slice(end, index);
    const isNext = bytes.length > 0 && between.trim() === '';
    if (!isNext || name.toLowerCase() !== charset) flush();
    if (!isNext) decoded += between;
    charset = name.toLowerCase();
    bytes.push(encoding.toLowerCase() === 'b' ? Buffer.from(body, 'base64') : decodeQ(body));
    end = index + word.length;
  }
  flush();
  return decoded + text.slice(end);
}

/** RFC 2047 section 4.2. */
function decodeQ(text: string): Buffer {
  const spaced = text.replaceAll('_', ' ');
  if (!spaced.includes('=')) return Buffer.from(spaced);
  const parts = spaced.split(/(=[0-9a-f]{2})/i);
  return Buffer.concat(parts.map((part, at) => (at % 2 === 1 ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))));
}

function decodeCharset(bytes: Buffer, charset: string): string {
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString();
  }
}
