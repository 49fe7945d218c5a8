import { z } from 'zod';
import { HydrantError } from '../core/errors.ts';

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const absentSchema = z.object({
  first: count,
  last: count,
  /** `excluded`: left out by archive.exclude. `damaged`: its line could not be read when the segment was sealed. */
  reason: z.enum(['excluded', 'damaged']),
});

/** `$hydrant/gap`, see wire/gap.ts. */
const gapSchema = z.object({ seq: count, reason: z.string(), broker: z.string(), from: z.string(), until: z.string() });

/** See `EpochStart`. */
const startSchema = z.object({
  opened: z.string(),
  previous: z.object({ epoch: z.string(), last: count, closed: z.string().optional() }).optional(),
});

/** A run of sequences of one epoch, all of which are either lines of the object or listed as absent. */
const partSchema = z.object({
  journal: z.string().regex(/^[0-9a-f]{16}$/),
  epoch: z.string().regex(/^[0-9a-f]{8}$/),
  firstSeq: count,
  lastSeq: count,
  /** Lines in the object. */
  count,
  absent: z.array(absentSchema),
  /** Lines marked `dup`. */
  dup: count.optional(),
  /** Gaps of a broker that its lines tell of. */
  gaps: z.array(gapSchema).optional(),
  /** With the first lines of an epoch. */
  start: startSchema.optional(),
});

/** A gzip member or zstd frame of whole lines that is decoded by itself, or a row group of a Parquet file. */
const blockSchema = z.object({
  /** Which of `parts` its lines belong to. */
  part: count,
  offset: count,
  bytes: count,
  rawBytes: count,
  firstSeq: count,
  count,
  minTs: z.string(),
  maxTs: z.string(),
});

const topicsSchema = z.union([
  z.object({ list: z.array(z.string()) }),
  /** A Bloom filter over topics and their literal prefixes, see docs/reference/archive-format.md. */
  z.object({ bloom: z.base64(), hashes: z.int().positive() }),
]);

const manifestSchema = z.object({
  v: z.literal(1),
  /** Name of the object, beside the manifest; null when every sequence is absent, then there is no object. */
  object: z.string().nullable(),
  codec: z.enum(['gzip', 'zstd', 'parquet']),
  parts: z.array(partSchema).min(1),
  count,
  /** Arrival of the earliest and latest line, as written; empty without lines. */
  minTs: z.string(),
  maxTs: z.string(),
  rawBytes: count,
  bytes: count,
  /** Of the uncompressed lines, and of the object as it is stored. */
  rawSha256: sha256,
  sha256,
  blocks: z.array(blockSchema),
  topics: topicsSchema,
  sealedAt: z.string(),
});

/** What is known of an archive object without opening it. Version 1; docs/reference/archive-format.md. */
export type Manifest = z.output<typeof manifestSchema>;
export type ManifestPart = z.output<typeof partSchema>;
export type ManifestBlock = z.output<typeof blockSchema>;
export type AbsentRange = z.output<typeof absentSchema>;
export type TopicDigest = z.output<typeof topicsSchema>;
export type ManifestGap = z.output<typeof gapSchema>;

/** Makes `part` the one run of sequences that it and the next one of its epoch are. False when they do not follow each other. */
export function extendPart(part: ManifestPart, next: ManifestPart): boolean {
  if (part.journal !== next.journal || part.epoch !== next.epoch || part.lastSeq + 1 !== next.firstSeq) return false;
  part.lastSeq = next.lastSeq;
  part.count += next.count;
  part.absent.push(...next.absent);
  if (part.dup !== undefined || next.dup !== undefined) part.dup = (part.dup ?? 0) + (next.dup ?? 0);
  if (next.gaps) part.gaps = [...(part.gaps ?? []), ...next.gaps];
  return true;
}

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest)}\n`);
}

/**
 * Fields of a later minor addition are skipped; another `v` is refused.
 * @param name said in the error
 * @throws HYD_MANIFEST
 */
export function decodeManifest(bytes: Buffer, name: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString());
  } catch (cause) {
    throw new HydrantError('HYD_MANIFEST', `manifest ${name} is not JSON`, { cause });
  }
  const read = manifestSchema.safeParse(json);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new HydrantError('HYD_MANIFEST', `manifest ${name}: ${issue?.path.join('.') || 'it'}: ${issue?.message}`, { cause: read.error });
  }
  const manifest = read.data;
  const blocks = manifest.blocks.reduce((sum, block) => sum + block.count, 0);
  const parts = manifest.parts.reduce((sum, part) => sum + part.count, 0);
  if (blocks !== manifest.count || parts !== manifest.count || manifest.blocks.some((block) => block.part >= manifest.parts.length)) {
    throw new HydrantError(
      'HYD_MANIFEST',
      `manifest ${name}: its counts do not agree (${manifest.count} lines, ${blocks} in blocks, ${parts} in parts)`,
    );
  }
  return manifest;
}
