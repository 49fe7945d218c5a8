/** What events of one type look like: shown, checked and turned into documents by the catalogue. */
export interface EventSchema {
  /** `gerrit.comment-added`: the kind, a dot, the type. */
  readonly name: string;
  /** Levels as published, with the names of variable ones in braces; `{project...}` stands for one level or several: `{base}/{project...}/comment-added`. */
  readonly topic: string;
  /** One line. */
  readonly title: string;
  /** JSON Schema, draft 2020-12, without `$schema` and `$id`. Upstreams add fields: `additionalProperties` stays open. */
  readonly schema: JsonSchema;
  /** Payloads that validate; at least one. */
  readonly examples: readonly unknown[];
  /** What people want to know of it. Payloads that do not match come too: fields may be missing, and it must not throw. */
  readonly derive: (data: unknown, topic: string) => Derived;
}

export type JsonSchema = { readonly [keyword: string]: unknown };

/** The same few fields of any event, for notifications and pages. */
export interface Derived {
  /** One line, without line breaks, at most 200 characters. */
  summary: string;
  /** Where people look at it. */
  url?: string | undefined;
  /** Names or addresses of whom it is about, each once. */
  people: string[];
  /** As syslog orders them, in three steps. */
  severity: 'info' | 'warning' | 'error';
}
