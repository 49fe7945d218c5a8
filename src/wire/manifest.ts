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

/** A run of sequences of one epoch, all of which are either lines of the object or listed as absent. */
const partSchema = z.object({
  journal: z.string().regex(/^[0-9a-f]{16}$/),
  epoch: z.string().regex(/^[0-9a-f]{8}$/),
  firstSeq: count,
  lastSeq: count,
  /** Lines in the object. */
  count,
  absent: z.array(absentSchema),
});

/** A gzip member or zstd frame of whole lines that is decoded by itself. */
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
  codec: z.enum(['gzip', 'zstd']),
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
