import { HydrantError } from '../../core/errors.ts';

/** What services allow at most; Google's and ClearBlade's documents say so. */
const MAX_SECONDS = 86_400;

/** @throws HYD_USAGE */
export function assertLife(lifeSeconds: number): void {
  if (Number.isInteger(lifeSeconds) && lifeSeconds > 0 && lifeSeconds <= MAX_SECONDS) return;
  throw new HydrantError('HYD_USAGE', `lifeSeconds: ${lifeSeconds} is not a whole number from 1 to ${MAX_SECONDS}, which is a day`, {
    fix: 'Give the life of a token in seconds; it is renewed at 80 % of it.',
  });
}
