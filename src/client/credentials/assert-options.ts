import { assertKeys, usage } from '../checks.ts';

/** What services allow a token to live at most; Google's and ClearBlade's documents say so. */
const MAX_LIFE_SECONDS = 86_400;

/** @throws HYD_USAGE for an option that there is not, or one that is missing, by name */
export function assertOptions(of: string, options: object, known: readonly string[], needed: readonly string[]): void {
  assertKeys(of, options, known);
  const missing = needed.find((name) => (options as Record<string, unknown>)[name] === undefined);
  if (missing !== undefined) throw usage(`${of} needs ${missing}`, `Options are ${known.join(', ')}.`);
}

/** @throws HYD_USAGE */
export function assertLife(lifeSeconds: number): void {
  if (Number.isInteger(lifeSeconds) && lifeSeconds > 0 && lifeSeconds <= MAX_LIFE_SECONDS) return;
  throw usage(
    `lifeSeconds: ${lifeSeconds} is not a whole number from 1 to ${MAX_LIFE_SECONDS}, which is a day`,
    'Give the life of a token in seconds; it is renewed at 80 % of it.',
  );
}
