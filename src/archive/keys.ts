import { padSeq } from '../wire/segment.ts';

/** How the sealer packs lines. */
export type Codec = 'gzip' | 'zstd';
/** How an object is packed that has a manifest: as it was sealed, or by compaction as a Parquet file. */
export type ObjectCodec = Codec | 'parquet';

/** Where one run of sequences of one arrival hour is kept: `dt=YYYY-MM-DD/hour=HH/{journal}-{epoch}-{first}-{last}`. */
export interface HivePlace {
  layout: 'hive';
  /** Begin of the hour, milliseconds. */
  fromMs: number;
  journal: string;
  epoch: string;
  first: number;
  last: number;
}

/** Where a day is kept, also by the seed program: `YYYY/YYYYMMDD`, a second object of the day with `-2`. */
interface DailyPlace {
  layout: 'daily';
  /** Begin of the day, milliseconds. */
  fromMs: number;
  number: number;
}

export type Place = HivePlace | DailyPlace;

/**
 * What a file of the archive is, from its key. Files that belong together share `base`. Those of a Parquet file have a base of their own,
 * which ends with `.parquet`, so that it can stand beside the object of the same sequences that it was made of.
 */
export type ArchiveKey = Place & {
  base: string;
  file: 'object' | 'manifest' | 'index' | 'damaged';
  /** Of an object; `plain` is what the seed program leaves uncompressed. */
  codec: ObjectCodec | 'plain';
};

/** Ends the base of a Parquet file, and its key. */
export const PARQUET = '.parquet';
export const HIVE_PREFIX = 'dt=';
export const QUARANTINE_PREFIX = 'quarantine/';
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

const HIVE =
  /^(dt=(\d{4}-\d\d-\d\d)\/hour=(\d\d)\/([0-9a-f]{16})-([0-9a-f]{8})-(\d{15})-(\d{15}))\.(ndjson\.(?:gz|zst)|damaged|(?:parquet\.)?(?:manifest\.json|idx)|parquet)$/;
const DAILY = /^((?:\d{4}\/)?(\d{4})(\d\d)(\d\d)(?:-(\d+))?)\.(json|json\.gz|manifest\.json|idx)$/;

const FILES: Record<string, Pick<ArchiveKey, 'file' | 'codec'>> = {
  'ndjson.gz': { file: 'object', codec: 'gzip' },
  'ndjson.zst': { file: 'object', codec: 'zstd' },
  'json.gz': { file: 'object', codec: 'gzip' },
  json: { file: 'object', codec: 'plain' },
  'manifest.json': { file: 'manifest', codec: 'plain' },
  idx: { file: 'index', codec: 'plain' },
  parquet: { file: 'object', codec: 'parquet' },
  'parquet.manifest.json': { file: 'manifest', codec: 'plain' },
  'parquet.idx': { file: 'index', codec: 'plain' },
  damaged: { file: 'damaged', codec: 'plain' },
};

/** Undefined for what is none of the archive's files. */
export function parseArchiveKey(key: string): ArchiveKey | undefined {
  const hive = HIVE.exec(key);
  if (hive) {
    const fromMs = Date.parse(`${hive[2]}T${hive[3]}:00:00Z`);
    if (Number.isNaN(fromMs)) return undefined;
    const place: HivePlace = { layout: 'hive', fromMs, journal: hive[4]!, epoch: hive[5]!, first: Number(hive[6]), last: Number(hive[7]) };
    const ending = hive[8]!;
    return { ...place, base: ending.startsWith('parquet') ? hive[1]! + PARQUET : hive[1]!, ...FILES[ending]! };
  }
  const daily = DAILY.exec(key);
  if (!daily) return undefined;
  const fromMs = Date.parse(`${daily[2]}-${daily[3]}-${daily[4]}`);
  if (Number.isNaN(fromMs)) return undefined;
  return { layout: 'daily', fromMs, number: Number(daily[5] ?? 1), base: daily[1]!, ...FILES[daily[6]!]! };
}

/** Whether a key is for the process with this journal to put: objects of others may lie beside it, days may be anybody's. */
export function isKeyOf(journal: string, key: string): boolean {
  const kept = key.startsWith(QUARANTINE_PREFIX) ? key.slice(QUARANTINE_PREFIX.length, key.lastIndexOf('.')) : key;
  const parsed = parseArchiveKey(kept);
  return parsed !== undefined && (parsed.layout === 'daily' || parsed.journal === journal);
}

/**
 * Orders the files of hours by journal, epoch and first sequence, and of those that begin together what compaction made before what it was
 * made of, which then has nothing to tell.
 */
export function widestFirst(a: HivePlace & { base: string }, b: HivePlace & { base: string }): number {
  const [own, other] = [`${a.journal}-${a.epoch}`, `${b.journal}-${b.epoch}`];
  if (a.fromMs !== b.fromMs || own !== other) return a.fromMs - b.fromMs || (own < other ? -1 : 1);
  return a.first - b.first || b.last - a.last || (a.base > b.base ? -1 : 1);
}

/** The key of a place, without the ending that says which file. */
export function placeBase(place: Place): string {
  const iso = new Date(place.fromMs).toISOString();
  const day = iso.slice(0, 10);
  if (place.layout === 'daily') {
    return `${iso.slice(0, 4)}/${day.replaceAll('-', '')}${place.number > 1 ? `-${place.number}` : ''}`;
  }
  return `dt=${day}/hour=${iso.slice(11, 13)}/${place.journal}-${place.epoch}-${padSeq(place.first)}-${padSeq(place.last)}`;
}

export function objectEnding(layout: Place['layout'], codec: ObjectCodec): string {
  if (layout === 'daily') return '.json.gz';
  return { gzip: '.ndjson.gz', zstd: '.ndjson.zst', parquet: PARQUET }[codec];
}
