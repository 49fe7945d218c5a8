import type { EventSchema } from '../schema.ts';
import { baseOf } from './bases.ts';
import { SCHEMAS } from './schemas.ts';

/** A level as it stands, any one level, or `some`: none, one or more. */
type Level = { is: 'text'; text: string } | { is: 'one' } | { is: 'some' };

interface Pattern {
  schema: EventSchema;
  levels: Level[];
  /** The more a pattern says of a topic, the higher. */
  rank: number;
}

/**
 * Schemas whose topic fits, the most specific first: more levels that are written out, then more that are single. Known bases count as written out;
 * under another base a pattern fits only by a level of its own. Parts that an event lacks make no level, so `{project...}` may be none.
 */
export function findSchemas(topic: string, schemas: readonly EventSchema[] = SCHEMAS): EventSchema[] {
  const levels = topic.split('/');
  const found = patternsOf(schemas).filter((pattern) => fits(levels, pattern.levels));
  return [...new Set(found.map(({ schema }) => schema))];
}

/** The most specific of them. */
export function findSchema(topic: string, schemas: readonly EventSchema[] = SCHEMAS): EventSchema | undefined {
  const levels = topic.split('/');
  return patternsOf(schemas).find((pattern) => fits(levels, pattern.levels))?.schema;
}

const cache = new WeakMap<readonly EventSchema[], Pattern[]>();

/** The most specific first. */
function patternsOf(schemas: readonly EventSchema[]): readonly Pattern[] {
  const patterns = cache.get(schemas) ?? schemas.flatMap(readPatterns).sort((a, b) => b.rank - a.rank);
  cache.set(schemas, patterns);
  return patterns;
}

function readPatterns(schema: EventSchema): Pattern[] {
  const base = baseOf(schema);
  const topics = base === undefined ? [schema.topic] : [schema.topic.replace('{base}', base), schema.topic];
  return [...new Set(topics)]
    .map((topic) => topic.split('/').map(readLevel))
    .filter((levels) => levels.some(({ is }) => is === 'text'))
    .map((levels) => ({ schema, levels, rank: rankOf(levels) }));
}

function readLevel(level: string): Level {
  if (/^\{base\}$|^\{.*\.\.\.\}$/.test(level)) return { is: 'some' };
  return level.includes('{') ? { is: 'one' } : { is: 'text', text: level };
}

function rankOf(levels: readonly Level[]): number {
  const count = (is: Level['is']): number => levels.filter((level) => level.is === is).length;
  return count('text') * 10_000 + count('one') * 100 + (99 - count('some'));
}

/** Steps back to the last `some` only, which is enough, and bounds the time by the product of the lengths. */
function fits(levels: readonly string[], pattern: readonly Level[]): boolean {
  const last = pattern.at(-1)!;
  if (last.is === 'text' && last.text !== levels.at(-1)) return false;
  let [at, next] = [0, 0];
  let [back, from] = [-1, 0];
  while (at < levels.length) {
    const level = pattern[next];
    if (level?.is === 'some') [back, from] = [next++, at];
    else if (level && (level.is === 'text' ? level.text === levels[at] : isValue(levels[at]!))) [at, next] = [at + 1, next + 1];
    else if (back >= 0 && isValue(levels[from]!)) [at, next] = [++from, back + 1];
    else return false;
  }
  return pattern.slice(next).every(({ is }) => is === 'some');
}

/** Values have a `$` that begins them escaped: `$gap` is none. */
function isValue(level: string): boolean {
  return level !== '' && !level.startsWith('$');
}
