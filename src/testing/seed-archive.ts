/**
 * Writes what the seed archiver (a Go program) writes: one JSON object a line with v, ts, topic, data, where encoding/json escapes
 * `<`, `>`, `&`, U+2028 and U+2029, a nil payload is null, and time.Time drops the zeros at the end of the fraction.
 */
export function seedLine(ts: string, topic: string, payload: string | Uint8Array | null): string {
  const quoted = JSON.stringify(topic).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const data = payload === null ? 'null' : `"${Buffer.from(payload).toString('base64')}"`;
  return `{"v":1,"ts":"${ts}","topic":${quoted},"data":${data}}\n`;
}

export interface SeedDay {
  /** `YYYYMMDD`. */
  day: string;
  lines: string;
}

/** Three days as that program leaves them: the last ends in a torn line. */
export const SEED_DAYS: readonly SeedDay[] = [
  {
    day: '20220630',
    lines:
      seedLine('2022-06-30T00:00:00.000000001Z', 'home/<kitchen>/temp&hum', '{"t":21.5}') +
      seedLine('2022-06-30T12:00:00Z', 'home/door', null) +
      seedLine('2022-06-30T23:59:59.999999999Z', 'home/übergang', 'café'),
  },
  {
    day: '20220701',
    lines:
      seedLine('2022-07-01T00:00:00.5Z', 'home/door', '') + seedLine('2022-07-01T08:15:30.123456Z', 'site/1/x', Buffer.from([0, 255, 10])),
  },
  {
    day: '20220702',
    lines: `${seedLine('2022-07-02T01:00:00.1Z', 'home/door', 'open')}{"v":1,"ts":"2022-07-02T01:00:01.25Z","topic":"home/door","da`,
  },
];
