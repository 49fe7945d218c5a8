import { matchFilter } from '../wire/topic.ts';
import type { Permissions } from './access.ts';
import { covers, overlaps } from './filter-cover.ts';
import { fillPattern } from './pattern.ts';
import { EVERYTHING, type Rule } from './rules.ts';

const NOTHING: readonly string[] = [];

const EVERYTHING_ALLOWED: Permissions = { mayPublish: () => true, subscription: () => NOTHING };

/** A rule made ready for one client: its patterns are filled in once, here. */
export function createPermissions(rule: Rule, user: string, clientId: string): Permissions {
  if (rule === EVERYTHING) return EVERYTHING_ALLOWED;
  // A name that fits in no pattern gets nothing by it, and is denied all that the pattern could mean.
  const fill = (patterns: readonly string[], otherwise?: '+'): string[] =>
    patterns.map((pattern) => fillPattern(pattern, user, clientId, otherwise)).filter((filter) => filter !== undefined);
  const publish = fill(rule.publish);
  const subscribe = fill(rule.subscribe);
  const noPublish = fill(rule.deny.publish, '+');
  const noSubscribe = fill(rule.deny.subscribe, '+');
  return {
    mayPublish: (topic) => matchesAny(publish, topic) && !matchesAny(noPublish, topic),
    subscription(asked) {
      const filter = bareFilter(asked);
      if (!subscribe.some((allowed) => covers(allowed, filter))) return undefined;
      const leftOut = noSubscribe.filter((denied) => overlaps(denied, filter));
      if (leftOut.length === 0) return NOTHING;
      return leftOut.some((denied) => covers(denied, filter)) ? undefined : leftOut;
    },
  };
}

function matchesAny(filters: readonly string[], topic: string): boolean {
  for (const filter of filters) if (matchFilter(filter, topic)) return true;
  return false;
}

/** Reading the past, or as one of a group, is reading: the filter behind `$share/<group>/` and `$history/<since>/` counts. */
function bareFilter(filter: string): string {
  return filter.replace(/^\$share\/[^/]*\//, '').replace(/^\$history\/[^/]*\//, '');
}
