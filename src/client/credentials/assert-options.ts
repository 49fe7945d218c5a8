import { HydrantError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';

/** What services allow a token to live at most; Google's and ClearBlade's documents say so. */
const MAX_LIFE_SECONDS = 86_400;

/** @throws HYD_USAGE for an option that there is not, or one that is missing, by name */
export function assertOptions(of: string, options: object, known: readonly string[], needed: readonly string[]): void {
  const given = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  const unknown = given.find((name) => !known.includes(name));
  const missing = needed.find((name) => !given.includes(name));
  if (unknown === undefined && missing === undefined) return;
  const meant = unknown === undefined ? undefined : nearest(unknown, known);
  throw new HydrantError('HYD_USAGE', unknown === undefined ? `${of} needs ${missing}` : `${of} has no option ${unknown}`, {
    fix: meant === undefined ? `Options are ${known.join(', ')}.` : `Did you mean ${meant}?`,
  });
}

/** @throws HYD_USAGE */
export function assertLife(lifeSeconds: number): void {
  if (Number.isInteger(lifeSeconds) && lifeSeconds > 0 && lifeSeconds <= MAX_LIFE_SECONDS) return;
  throw new HydrantError('HYD_USAGE', `lifeSeconds: ${lifeSeconds} is not a whole number from 1 to ${MAX_LIFE_SECONDS}, which is a day`, {
    fix: 'Give the life of a token in seconds; it is renewed at 80 % of it.',
  });
}
