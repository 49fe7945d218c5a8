import { HydrantError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';

/**
 * The query of a URL; unknown names are refused with the nearest known one, and so is a name given twice unless it is listed as repeatable.
 * @throws HYD_USAGE
 */
export function readQuery(url: string, known: readonly string[], repeatable: readonly string[] = []): URLSearchParams {
  const mark = url.indexOf('?');
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1));
  for (const name of new Set(query.keys())) {
    if (!known.includes(name)) {
      const meant = nearest(name, known);
      throw new HydrantError('HYD_USAGE', `there is no query parameter ${JSON.stringify(name)}`, {
        fix: meant ? `Use ${meant}.` : `Use ${known.join(', ')}.`,
      });
    }
    if (!repeatable.includes(name) && query.getAll(name).length > 1)
      throw new HydrantError('HYD_USAGE', `the query parameter ${name} is given more than once`);
  }
  return query;
}
