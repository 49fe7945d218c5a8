import { z } from 'zod';
import { byteSize, duration } from '../../core/option-types.ts';

/** `archive.compact`. */
export const compactOptions = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe('Put small objects of an hour together (layout hive). Off where nothing may be deleted: then they stay as they were sealed.'),
  after: duration().prefault('15m').describe('How long after its end an hour is put together.'),
  minObjects: z.int().min(2).default(2).describe('Put together at least so many objects that follow each other; fewer stay as they are.'),
  maxBytes: byteSize({ min: 1024 ** 2 })
    .prefault('256MiB')
    .describe('Larger objects stay as they are, and none is made that is larger, as they are stored.'),
  format: z
    .enum(['same', 'parquet'])
    .default('same')
    .describe('same: compressed lines as they were sealed; parquet: one Parquet file, also of an hour that has one object only.'),
});

/** How hours are put together. */
export interface CompactOptions {
  /** Since the end of the hour. */
  afterMs: number;
  minObjects: number;
  maxBytes: number;
  format: 'same' | 'parquet';
}
