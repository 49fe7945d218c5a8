import { filterFault } from '../wire/topic.ts';

/** Places of a pattern that stand for who asks: `%u` the user, `%c` the client id. */
const PLACES = new Set(['%u', '%c']);

/** Why a pattern cannot stand in an access rule, or undefined when it can: a topic filter whose `%u` and `%c` are whole levels. */
export function patternFault(pattern: string): string | undefined {
  const fault = filterFault(pattern);
  if (fault) return fault;
  const partial = pattern.split('/').some((level) => /%[uc]/.test(level) && !PLACES.has(level));
  return partial ? '%u and %c stand for one whole level, so nothing else may be in that level' : undefined;
}

/**
 * The filter that a pattern is for somebody. A name that is empty, has `/`, `+` or `#`, or would reach the server's own topics by a
 * leading `$`, could widen it.
 * @param otherwise the level to take for such a name; by default the pattern is then none for them: undefined
 */
export function fillPattern(pattern: string, user: string, clientId: string, otherwise?: '+'): string | undefined {
  if (!pattern.includes('%')) return pattern;
  const levels = pattern.split('/');
  for (const [at, level] of levels.entries()) {
    if (!PLACES.has(level)) continue;
    const name = level === '%u' ? user : clientId;
    const value = name === '' || /[/+#\0]/.test(name) || (at === 0 && name.startsWith('$')) ? otherwise : name;
    if (value === undefined) return undefined;
    levels[at] = value;
  }
  return levels.join('/');
}
