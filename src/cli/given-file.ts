import { readFileSync } from 'node:fs';
import { errorText, HydrantError } from '../core/errors.ts';

/** A file that an option or a variable names. */
export function readGiven(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new HydrantError('HYD_USAGE', `${flag} ${path}: ${errorText(error)}`, {
      cause: error,
      fix: 'Give a file that exists and is readable.',
    });
  }
}
