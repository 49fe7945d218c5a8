import { HydrantError } from '../core/errors.ts';

/** Levels that stay as they are, as nearly all do. */
const PLAIN = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/;
/** Beyond this a level is cut, so that a topic stays within MQTT's 65 535 bytes whatever an upstream names its things. */
const MAX_LEVEL_BYTES = 1024;

/**
 * One level of a topic from what an upstream says: `/`, `+`, `#`, `%`, control characters and what is no Unicode are percent-encoded, and so is a `$` that begins it.
 * `.` and `..` too, so that no reader takes a level for a path.
 */
export function escapeLevel(text: string): string {
  if (isPlain(text) && !text.includes('/')) return text;
  if (text === '.' || text === '..') return text.replaceAll('.', '%2E');
  return cut(text.toWellFormed().replace(/[%/+#\p{Cc}]|^\$/gu, percent));
}

/** Levels of what is itself a path, such as a project: slashes stay, empty levels go, each level is escaped. */
export function escapeLevels(path: string): string {
  if (isPlain(path)) return path;
  return path
    .split('/')
    .filter((level) => level !== '')
    .map(escapeLevel)
    .join('/');
}

/** Joins what is there: an undefined or empty part makes no level. */
export function joinTopic(...parts: readonly (string | undefined)[]): string {
  let topic = '';
  for (const part of parts) if (part) topic += topic === '' ? part : `/${part}`;
  return topic;
}

/**
 * Fills `{name}` and `{a.b}` of a template with values, one level each; of `{name...}` the slashes stay levels. A level that is nothing but a value
 * that is missing is left out.
 * @param read what a name stands for
 */
export function fillTemplate(template: string, read: (name: string) => string | undefined): string {
  const fill = (_: string, name: string): string =>
    name.endsWith('...') ? escapeLevels(read(name.slice(0, -3)) ?? '') : escapeLevel(read(name) ?? '');
  const levels = template.split('/').map((level) => level.replace(/\{([^{}]+)\}/g, fill));
  return levels.filter((level) => level !== '').join('/');
}

/** @throws HYD_CONFIG for a template that could never be a topic */
export function assertTemplate(template: string, key: string): void {
  const bare = template.replace(/\{[^{}]+\}/g, 'x');
  if (bare === '' || /[{}+#\0]/.test(bare))
    throw new HydrantError('HYD_CONFIG', `${key}: ${JSON.stringify(template)} is no template of a topic`, {
      fix: 'Write levels with names in braces, such as "github/{repository.full_name}/{event}"; + and # are for readers.',
    });
}

function isPlain(path: string): boolean {
  return path.length <= MAX_LEVEL_BYTES && PLAIN.test(path);
}

function percent(character: string): string {
  return encodeURIComponent(character) === character
    ? `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
    : encodeURIComponent(character);
}

function cut(level: string): string {
  if (Buffer.byteLength(level) <= MAX_LEVEL_BYTES) return level;
  return new TextDecoder().decode(Buffer.from(level).subarray(0, MAX_LEVEL_BYTES)).replace(/(\uFFFD+|%[0-9A-F]?)$/, '');
}
