import { padSeq } from '../wire/segment.ts';

/** How the bytes of an object are packed; `plain` is what the seed program leaves uncompressed. */
export type Codec = 'gzip' | 'zstd';

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

/** What a file of the archive is, from its key. Files of one place share `base`. */
export type ArchiveKey = Place & {
  base: string;
  file: 'object' | 'manifest' | 'index' | 'damaged';
  /** Of an object. */
  codec: Codec | 'plain';
};

export const HIVE_PREFIX = 'dt=';
export const QUARANTINE_PREFIX = 'quarantine/';
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

const HIVE =
  /^(dt=(\d{4}-\d\d-\d\d)\/hour=(\d\d)\/([0-9a-f]{16})-([0-9a-f]{8})-(\d{15})-(\d{15}))\.(ndjson\.gz|ndjson\.zst|manifest\.json|idx|damaged)$/;
const DAILY = /^((?:\d{4}\/)?(\d{4})(\d\d)(\d\d)(?:-(\d+))?)\.(json|json\.gz|manifest\.json|idx)$/;

const FILES: Record<string, Pick<ArchiveKey, 'file' | 'codec'>> = {
  'ndjson.gz': { file: 'object', codec: 'gzip' },
  'ndjson.zst': { file: 'object', codec: 'zstd' },
  'json.gz': { file: 'object', codec: 'gzip' },
  json: { file: 'object', codec: 'plain' },
  'manifest.json': { file: 'manifest', codec: 'plain' },
  idx: { file: 'index', codec: 'plain' },
  damaged: { file: 'damaged', codec: 'plain' },
};

/** Undefined for what is none of the archive's files. */
export function parseArchiveKey(key: string): ArchiveKey | undefined {
  const hive = HIVE.exec(key);
  if (hive) {
    const fromMs = Date.parse(`${hive[2]}T${hive[3]}:00:00Z`);
    if (Number.isNaN(fromMs)) return undefined;
    const place: HivePlace = { layout: 'hive', fromMs, journal: hive[4]!, epoch: hive[5]!, first: Number(hive[6]), last: Number(hive[7]) };
    return { ...place, base: hive[1]!, ...FILES[hive[8]!]! };
  }
  const daily = DAILY.exec(key);
  if (!daily) return undefined;
  const fromMs = Date.parse(`${daily[2]}-${daily[3]}-${daily[4]}`);
  if (Number.isNaN(fromMs)) return undefined;
  return { layout: 'daily', fromMs, number: Number(daily[5] ?? 1), base: daily[1]!, ...FILES[daily[6]!]! };
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

export function objectEnding(layout: Place['layout'], codec: Codec): string {
  if (layout === 'daily') return '.json.gz';
  return codec === 'gzip' ? '.ndjson.gz' : '.ndjson.zst';
}
