import { z } from 'zod';
import { duration } from '../../core/option-types.ts';
import { parseStoreUrl } from '../../storage/open.ts';

/** Where sealed objects go from the data folder. */
export const uploadTarget = z
  .string()
  .refine(isStoreUrl, { error: 'expected s3://bucket, s3://bucket/prefix or file:///dir' })
  .optional()
  .describe(
    'Store that sealed objects are uploaded to: s3://bucket/prefix or file:///dir. Without it the archive stays in the data folder.',
  );

/** What becomes of uploaded objects here. A section of the configuration. */
export const uploadOptions = z.strictObject({
  keepLocal: duration()
    .prefault(0)
    .describe(
      'How long an uploaded object stays in the data folder too, for quick reading; 0 = it is removed as soon as it is seen in archive.to.',
    ),
});

function isStoreUrl(url: string): boolean {
  try {
    parseStoreUrl(url);
    return true;
  } catch {
    return false;
  }
}
