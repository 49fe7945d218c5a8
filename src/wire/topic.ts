import { HydrantError } from '../core/errors.ts';

const MAX_BYTES = 65_535;

/**
 * Why `topic` cannot be published to, or undefined when it can.
 * MQTT 3.1.1 §4.7.3, §1.5.3: at least one character, no NUL, no wildcard, at most 65 535 bytes.
 */
export function topicFault(topic: string): string | undefined {
  if (topic === '') return 'a topic needs at least one character';
  if (topic.includes('+') || topic.includes('#')) return 'a topic to publish to has no wildcard (+ or #)';
  return textFault(topic);
}

/** Why `filter` cannot be subscribed to, or undefined when it can. MQTT 3.1.1 §4.7.1. */
export function filterFault(filter: string): string | undefined {
  if (filter === '') return 'a filter needs at least one character';
  const hash = filter.indexOf('#');
  if (hash !== -1 && (hash !== filter.length - 1 || (hash > 0 && filter[hash - 1] !== '/'))) {
    return '# stands for all that follows, so it must be the whole last level';
  }
  if (filter.includes('+') && !filter.split('/').every((level) => level === '+' || !level.includes('+'))) {
    return '+ stands for one whole level, so nothing else may be in that level';
  }
  return textFault(filter);
}

function textFault(text: string): string | undefined {
  if (text.includes('\0')) return 'a NUL character is not allowed';
  if (!text.isWellFormed()) return 'it has half a surrogate pair, so it is not UTF-8';
  if (text.length * 3 > MAX_BYTES && Buffer.byteLength(text) > MAX_BYTES) return `it has more than ${MAX_BYTES} bytes`;
  return undefined;
}

/** @throws HYD_TOPIC */
export function assertTopic(topic: string): void {
  const fault = topicFault(topic);
  if (fault) throw new HydrantError('HYD_TOPIC', `topic ${JSON.stringify(topic)}: ${fault}`);
}

/** @throws HYD_FILTER */
export function assertFilter(filter: string): void {
  const fault = filterFault(filter);
  if (fault) throw new HydrantError('HYD_FILTER', `filter ${JSON.stringify(filter)}: ${fault}`);
}

export function hasWildcard(filter: string): boolean {
  return filter.includes('+') || filter.endsWith('#');
}

/**
 * Whether an MQTT filter matches a topic; both must be valid. Allocates nothing.
 * MQTT 3.1.1 §4.7: `#` matches its parent too; a leading wildcard never matches a topic that starts with `$`.
 */
export function matchFilter(filter: string, topic: string): boolean {
  const first = filter.charCodeAt(0);
  if ((first === HASH || first === PLUS) && topic.charCodeAt(0) === DOLLAR) return false;
  let f = 0;
  let t = 0;
  while (f < filter.length) {
    const code = filter.charCodeAt(f);
    if (code === HASH) return true;
    if (code === PLUS) {
      while (t < topic.length && topic.charCodeAt(t) !== SLASH) t++;
      f++;
      continue;
    }
    if (t < topic.length && code === topic.charCodeAt(t)) {
      f++;
      t++;
      continue;
    }
    return t === topic.length && code === SLASH && f === filter.length - 2 && filter.charCodeAt(f + 1) === HASH;
  }
  return t === topic.length;
}

const HASH = 35;
const PLUS = 43;
const DOLLAR = 36;
const SLASH = 47;

/** Whether a topic or filter has more than `most` levels; 0 = any number is fine. */
export function hasMoreLevels(topic: string, most: number): boolean {
  if (most === 0 || topic.length < most) return false;
  let levels = 1;
  for (let at = topic.indexOf('/'); at !== -1; at = topic.indexOf('/', at + 1)) levels++;
  return levels > most;
}
