/** What somebody is given: patterns. */
export interface Grants {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** What somebody may do: `deny` wins. */
export interface Rule extends Grants {
  readonly deny: Grants;
}

/** As the sections `preset` and `acl` of the configuration say it. */
export interface RuleSettings {
  preset: 'open' | 'firehose';
  /** By user, `anonymous`, or `*` for every user without an entry. */
  acl: Readonly<Record<string, Rule>>;
}

/** Which rule counts for whom. */
export interface Rules {
  /** Undefined: nobody comes in without an account. */
  readonly anonymous: Rule | undefined;
  /** Of somebody with an account. */
  ruleOf(user: string): Rule;
}

const NONE: Grants = { publish: [], subscribe: [] };
const NOTHING: Rule = { ...NONE, deny: NONE };

/** Every topic there is, those that begin with `$` too. Known by identity. */
export const EVERYTHING: Rule = { publish: ['#'], subscribe: ['#'], deny: NONE };

/** Everybody reads, accounts write below their own name. */
const FIREHOSE: Record<string, Rule> = {
  anonymous: { publish: [], subscribe: ['#', '$SYS/#'], deny: NONE },
  '*': { publish: ['%u/#'], subscribe: ['#', '$SYS/#'], deny: NONE },
};

/**
 * Without rules and without accounts everybody may do everything; with accounts alone, everybody who has one. As soon as there is any rule,
 * what it does not list is denied.
 */
export function createRules({ preset, acl }: RuleSettings, hasAccounts: boolean): Rules {
  const entries = new Map(Object.entries(preset === 'firehose' ? { ...FIREHOSE, ...acl } : acl));
  if (entries.size === 0) return { anonymous: hasAccounts ? undefined : EVERYTHING, ruleOf: () => EVERYTHING };
  const rest = entries.get('*') ?? NOTHING;
  return { anonymous: entries.get('anonymous'), ruleOf: (user) => entries.get(user) ?? rest };
}
