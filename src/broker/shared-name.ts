import { HydrantError } from '../core/errors.ts';
import { filterFault } from '../wire/topic.ts';

/** Whose the sessions of `$share` groups are: no account has this name. */
export const SHARE_USER = '$share';

const SHARED = /^\$share\/[^/+#]+\/(.+)$/s;

export function isShared(name: string): boolean {
  return name.startsWith('$share/');
}

/**
 * The filter in `$share/<group>/<filter>`, MQTT 5 §4.8.2.
 * @throws HYD_FILTER
 */
export function readSharedFilter(name: string): string {
  const filter = SHARED.exec(name)?.[1];
  if (filter === undefined || filterFault(filter)) throw new HydrantError('HYD_FILTER', `${name} is not $share/<group>/<filter>`);
  if (filter.startsWith('$history/')) throw pastRefused(name, filter);
  if (isShared(filter)) throw new HydrantError('HYD_FILTER', `${name} is a group within a group`);
  return filter;
}

export function pastRefused(name: string, filter: string): HydrantError {
  return new HydrantError('HYD_FILTER', `${name}: a group reads what comes, from its first member on`, {
    fix: `To read the past, subscribe to ${filter} without a group.`,
  });
}
