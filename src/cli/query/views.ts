import type { QueryFiles } from '../../archive/read/query-files.ts';
import type { TimeRange } from '../../core/time-range.ts';

/** What a query may name. The guide and the reference page print these tables. */
export const EVENT_COLUMNS = {
  ts: ['TIMESTAMPTZ', 'arrival, to the microsecond'],
  topic: ['VARCHAR', 'the topic'],
  payload: ['BLOB', 'the bytes that were published'],
  seq: ['UBIGINT', 'its sequence in the journal; NULL in days that the Go program wrote'],
  id: ['VARCHAR', 'the publisher’s own id'],
  qos: ['UTINYINT', '0, 1 or 2'],
  retain: ['BOOLEAN', 'published with the retain flag'],
  dup: ['BOOLEAN', 'marked as sent before by its publisher'],
  content_type: ['VARCHAR', 'content type'],
  source: ['VARCHAR', 'who published it: the client id'],
  props: ['JSON', 'time, format, expiry, reply, correlation, user: what the publisher attached'],
  journal: ['VARCHAR', 'with epoch and seq the event’s identity'],
  epoch: ['VARCHAR', 'random, one for each start'],
  day: ['DATE', 'day of arrival, UTC; a condition on it spares reading other days'],
  hour: ['UTINYINT', 'hour of arrival, UTC'],
} as const;

export const MACROS = {
  'text(payload)': ['the payload as text, NULL when it is not UTF-8', 'try(decode(payload))'],
  'json(payload)': [
    "the payload as JSON, NULL when it is none: `json(payload).t`, `json(payload)->>'$.a.b'`",
    'try_cast(try(decode(payload)) AS JSON)',
  ],
  'topic_level(topic, n)': ['level n of the topic, from 1; from the end with -1, -2 …', "string_split(topic, '/')[n]"],
  'topic_matches(topic, filter)': [
    'whether an MQTT filter matches, by the rules of MQTT: `+` and `#` do not match a first level that begins with `$`',
    `CASE WHEN NOT regexp_full_match(filter, '(([^+#/\\x00]*|\\+)/)*([^+#/\\x00]*|\\+|#)') OR filter = ''
     THEN error('"' || filter || '" is not an MQTT filter: + stands for one whole level, # for all that follows')::BOOLEAN
     ELSE NOT (starts_with(topic, '$') AND filter[1] IN ('+', '#'))
       AND regexp_full_match(topic, regexp_replace(regexp_replace(regexp_replace(regexp_replace(
         filter, '([.^$|()\\[\\]{}*?\\\\])', '\\\\\\1', 'g'), '\\+', '[^/]*', 'g'), '/#$', '(/.*)?'), '^#$', '.*'), 's') END`,
  ],
} as const;

/** How a line's fields are read. `v`, `in` and `crc` are of no use here, and fields of later versions are skipped. */
const LINE_FIELDS = {
  ts: 'TIMESTAMPTZ',
  topic: 'VARCHAR',
  data: 'VARCHAR',
  seq: 'UBIGINT',
  id: 'VARCHAR',
  qos: 'UTINYINT',
  retain: 'BOOLEAN',
  dup: 'BOOLEAN',
  ct: 'VARCHAR',
  src: 'VARCHAR',
  props: 'JSON',
};

const HIVE = "hive_partitioning = true, hive_types = {'day': DATE, 'journal': VARCHAR, 'epoch': VARCHAR}";
const MIN_OBJECT_BYTES = 1024 * 1024;

/** The statements that make the view and the macros. */
export function setUpStatements(files: QueryFiles, range: TimeRange, filters: readonly string[]): string[] {
  const macros = Object.entries(MACROS).map(([call, [, body]]) => `CREATE MACRO ${call} AS ${body}`);
  return [...macros, `CREATE VIEW events AS ${eventsQuery(files, conditions(range, filters))}`];
}

function eventsQuery({ lines, parquet, maxLineBytes }: QueryFiles, where: string): string {
  const parts: string[] = [];
  if (lines.length > 0) {
    const fields = Object.entries(LINE_FIELDS).map(([name, type]) => `'${name}': '${type}'`);
    parts.push(`SELECT ts, topic, coalesce(from_base64(data), ''::BLOB) AS payload, seq, id, coalesce(qos, 0)::UTINYINT AS qos,
      coalesce(retain, false) AS retain, coalesce(dup, false) AS dup, ct AS content_type, src AS source, props, journal, epoch, day
      FROM read_json(${list(lines)}, format = 'newline_delimited', columns = {${fields.join(', ')}}, ${HIVE},
        maximum_object_size = ${Math.max(MIN_OBJECT_BYTES, maxLineBytes + 1024)}) WHERE ${where}`);
  }
  if (parquet.length > 0) {
    parts.push(`SELECT ts, topic, payload, seq::UBIGINT AS seq, id, qos::UTINYINT AS qos, retain, dup, content_type, source, props::JSON AS props,
      journal, epoch, day FROM read_parquet(${list(parquet)}, ${HIVE}) WHERE ${where}`);
  }
  if (parts.length === 0) return `SELECT ${Object.entries(EVENT_COLUMNS).map(([name, [type]]) => `NULL::${type} AS ${name}`)} WHERE false`;
  return `SELECT *, extract('hour' FROM ts)::UTINYINT AS hour FROM (${parts.join(' UNION ALL ')})`;
}

function conditions({ sinceMs, untilMs }: TimeRange, filters: readonly string[]): string {
  const all = [`(${filters.map((filter) => `topic_matches(topic, ${quote(filter)})`).join(' OR ')})`];
  if (sinceMs !== undefined) all.push(`ts >= ${moment(sinceMs)}`);
  if (untilMs !== undefined) all.push(`ts < ${moment(untilMs)}`);
  return all.join(' AND ');
}

function moment(ms: number): string {
  return `TIMESTAMPTZ '${new Date(ms).toISOString()}'`;
}

function list(paths: readonly string[]): string {
  return `[${paths.map(quote).join(', ')}]`;
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
