const SLOTS = 2048;
/** Longer ones are rarely the same again, and are not worth the look. */
const LONGEST_BYTES = 96;

/** The strings of topics that came before, found by their bytes: decoding one costs several times as much, and each would be another string. */
const texts: (string | undefined)[] = new Array(SLOTS).fill(undefined);

/** The topic in `[start, end)`, UTF-8. */
export function readTopic(frame: Buffer, start: number, end: number): string {
  if (end - start > LONGEST_BYTES) return frame.toString('utf8', start, end);
  let hash = end - start;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + frame[at]!) | 0;
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  const known = texts[slot];
  if (known !== undefined && isText(known, frame, start, end)) return known;
  const text = frame.toString('utf8', start, end);
  texts[slot] = text;
  return text;
}

/** Never true for what is not ASCII. */
function isText(text: string, frame: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) {
    const byte = frame[start + i]!;
    if (byte > 127 || byte !== text.charCodeAt(i)) return false;
  }
  return true;
}
