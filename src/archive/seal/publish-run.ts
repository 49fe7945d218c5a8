import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { crashPoint } from '../../core/crash-point.ts';
import type { Manifest } from '../../wire/manifest.ts';
import { type Codec, type HivePlace, objectEnding, placeBase } from '../keys.ts';
import type { Publisher } from './publish.ts';
import type { SealedRun } from './seal-segment.ts';

/** Puts a sealed run where it belongs: object, damaged lines, index, and last the manifest. Again after a crash is fine. */
export async function publishRun(
  publisher: Publisher,
  segment: { journal: string; epoch: string },
  run: SealedRun,
  options: { codec: Codec; nowMs: number },
): Promise<{ base: string; manifest: Manifest }> {
  const { codec } = options;
  const place: HivePlace = {
    layout: 'hive',
    fromMs: Date.parse(`${run.hour}:00:00Z`),
    journal: segment.journal,
    epoch: segment.epoch,
    first: run.firstSeq,
    last: run.lastSeq,
  };
  const base = placeBase(place);
  const manifest = runManifest(place, run, codec, options.nowMs);
  if (run.object) await publisher.object(base + objectEnding('hive', codec), { path: run.object.path, move: true }, manifest);
  crashPoint('seal.put');
  if (run.damagedPath) await publisher.evidence(`${base}.damaged`, await readFile(run.damagedPath));
  if (run.indexPath) await publisher.derived(`${base}.idx`, { path: run.indexPath, move: true });
  crashPoint('seal.indexed');
  await publisher.manifest(`${base}.manifest.json`, manifest);
  crashPoint('seal.manifest');
  return { base, manifest };
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function runManifest(place: HivePlace, run: SealedRun, codec: Codec, nowMs: number): Manifest {
  const { object } = run;
  const count = object?.count ?? 0;
  return {
    v: 1,
    object: object ? basename(placeBase(place)) + objectEnding('hive', codec) : null,
    codec,
    parts: [
      {
        journal: place.journal,
        epoch: place.epoch,
        firstSeq: run.firstSeq,
        lastSeq: run.lastSeq,
        count,
        absent: run.absent,
        ...(run.dup > 0 && { dup: run.dup }),
        ...(run.gaps.length > 0 && { gaps: run.gaps }),
        ...(run.start && { start: run.start }),
      },
    ],
    count,
    minTs: object?.minTs ?? '',
    maxTs: object?.maxTs ?? '',
    rawBytes: object?.rawBytes ?? 0,
    bytes: object?.bytes ?? 0,
    rawSha256: object?.rawSha256 ?? EMPTY_SHA256,
    sha256: object?.sha256 ?? EMPTY_SHA256,
    blocks: object?.blocks ?? [],
    topics: object?.topics ?? { list: [] },
    sealedAt: new Date(nowMs).toISOString(),
  };
}
