const DURATION_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const SIZE_BYTES: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** What a duration looks like in text: one or more numbers with units, largest first by habit, or a bare 0. */
export const DURATION_PATTERN = /^(?:0|(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+)$/;

/** What a size looks like in text; a bare number is bytes. */
export const SIZE_PATTERN = /^\d+(?:\.\d+)?\s?(?:[kKMGT]i?B|B)?$/;

/** Milliseconds of `15m`, `1h30m`, `250ms`, `7d`, `0`; undefined when it is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION_PATTERN.test(text)) return undefined;
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) ms += Number(count) * DURATION_MS[unit!]!;
  return Math.round(ms);
}

/** Bytes of `128MiB`, `10GB`, `64 KiB`, `4096`; undefined when it is not a size. */
export function parseSize(text: string): number | undefined {
  if (!SIZE_PATTERN.test(text)) return undefined;
  const [, count, unit] = /^([\d.]+)\s?(\w*)$/.exec(text)!;
  return Math.round(Number(count) * SIZE_BYTES[unit!.toLowerCase() || 'b']!);
}

/** `90000` → `1m30s`; exact, so that it reads back as the same number. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  let left = ms;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const count = Math.floor(left / DURATION_MS[unit]!);
    if (count > 0) text += `${count}${unit}`;
    left -= count * DURATION_MS[unit]!;
  }
  return text;
}

/** `134217728` → `128MiB`; exact where a binary unit divides it, else one decimal, for people. */
export function formatSize(bytes: number): string {
  for (const [unit, size] of [
    ['TiB', 1024 ** 4],
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const) {
    if (bytes >= size) return `${bytes % size === 0 ? bytes / size : (bytes / size).toFixed(1)}${unit}`;
  }
  return `${bytes}B`;
}
